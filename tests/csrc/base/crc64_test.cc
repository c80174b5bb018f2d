#include "base/crc64.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>

#include "support/csrc/pattern.h"

namespace ossmc {
namespace {

std::uint64_t crc_of(std::string_view bytes) { return crc64_update(0, bytes.data(), bytes.size()); }

// The definition, a bit at a time.
std::uint64_t slow_crc(std::string_view bytes) {
  std::uint64_t crc = ~std::uint64_t{0};
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xC96C5795D7870F42u : 0);
  }
  return ~crc;
}

TEST(Crc64, KnowsTheCheckValueOfCrc64Xz) {
  EXPECT_EQ(crc_of("123456789"), 0x995DC9BBDF1939FAu);
  EXPECT_EQ(crc_of(""), 0u);
}

TEST(Crc64, AgreesWithTheDefinitionAtEveryLengthAndAlignment) {
  const std::string data = pattern_string(1, 0, 700);
  for (std::size_t begin = 0; begin < 17; ++begin) {
    for (std::size_t size = 0; size < 600; size += size < 130 ? 1 : 13) {
      const std::string_view piece = std::string_view(data).substr(begin, size);
      ASSERT_EQ(crc_of(piece), slow_crc(piece)) << begin << " + " << size;
    }
  }
}

TEST(Crc64, ContinuesFromPieceToPiece) {
  const std::string data = pattern_string(2, 0, 5000);
  std::uint64_t crc = 0;
  std::size_t step = 1;
  for (std::size_t at = 0; at < data.size(); step = step * 2 + 1) {
    const std::size_t size = std::min(step, data.size() - at);
    crc = crc64_update(crc, data.data() + at, size);
    at += size;
  }
  EXPECT_EQ(crc, crc_of(data));
}

TEST(Crc64, CombineAgreesWithOnePassOverRandomSplits) {
  std::mt19937_64 random(7);
  const std::string data = pattern_string(3, 0, 100'000);
  for (int i = 0; i < 300; ++i) {
    const std::size_t size = random() % (data.size() + 1);
    const std::size_t split = random() % (size + 1);
    const std::string_view whole = std::string_view(data).substr(0, size);
    const std::uint64_t a = crc_of(whole.substr(0, split));
    const std::uint64_t b = crc_of(whole.substr(split));
    ASSERT_EQ(crc64_combine(a, b, size - split), crc_of(whole)) << split << " of " << size;
  }
}

TEST(Crc64, CombineWithNothingChangesNothing) {
  const std::uint64_t crc = crc_of("some bytes");
  EXPECT_EQ(crc64_combine(crc, 0, 0), crc);
  EXPECT_EQ(crc64_combine(0, crc, 10), crc);
}

TEST(Crc64, CombineIsAssociativeForLengthsNobodyCanHash) {
  // (A B) C = A (B C) with |B| and |C| beyond 2^32 and up to 2^64 - 1 in sum.
  const std::uint64_t a = crc_of("a");
  const std::uint64_t b = crc_of("b");
  const std::uint64_t c = crc_of("c");
  const std::uint64_t size_b = 0x7FFFFFFF00000001u;
  const std::uint64_t size_c = 0x80000000FFFFFFF0u;
  EXPECT_EQ(crc64_combine(crc64_combine(a, b, size_b), c, size_c),
            crc64_combine(a, crc64_combine(b, c, size_c), size_b + size_c));
}

}  // namespace
}  // namespace ossmc
