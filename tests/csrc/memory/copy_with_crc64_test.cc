#include "memory/copy_with_crc64.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "base/crc64.h"
#include "memory/streaming_copy.h"
#include "support/csrc/pattern.h"

namespace ossmc {
namespace {

constexpr std::size_t kMargin = 256;
constexpr std::byte kGuard{0xA5};

class CopyWithCrc64Test : public testing::TestWithParam<Stores> {
 protected:
  // From `from` of the source to `shift` of the target, and what is around the target stays.
  void check(std::size_t size, std::size_t from, std::size_t shift, std::uint64_t crc) {
    target_.assign(size + shift + 2 * kMargin, kGuard);
    std::byte* const to = target_.data() + kMargin + shift;
    const std::byte* const source = source_.data() + from;
    const std::uint64_t got = copy_with_crc64(to, source, size, crc, GetParam());
    finish_streaming_copies();
    ASSERT_EQ(got, crc64_update(crc, source, size)) << size << " " << from << " " << shift;
    ASSERT_EQ(std::memcmp(to, source, size), 0) << size << " " << from << " " << shift;
    for (std::size_t i = 0; i < kMargin; ++i) {
      ASSERT_EQ(to[size + i], kGuard) << size << " " << shift << " " << i;
      ASSERT_EQ(*(to - 1 - i), kGuard) << size << " " << shift << " " << i;
    }
  }

  std::vector<std::byte> source_ = [] {
    std::vector<std::byte> bytes(70'000);
    fill_pattern(bytes.data(), 7, 0, bytes.size());
    return bytes;
  }();
  std::vector<std::byte> target_;
};

TEST_P(CopyWithCrc64Test, IsBothForAllAlignments) {
  for (const std::size_t size : {0ul, 1ul, 127ul, 1023ul, 1024ul, 1025ul, 1151ul, 1152ul, 1153ul,
                                 1279ul, 1280ul, 4096ul, 16384ul}) {
    for (std::size_t shift = 0; shift < 65; ++shift) check(size, (shift * 37) % 64, shift, 0);
  }
}

TEST_P(CopyWithCrc64Test, IsBothForAllSizesAroundAFold) {
  for (std::size_t size = 1000; size < 1700; ++size) check(size, size % 7, size % 61, size * 77);
}

TEST_P(CopyWithCrc64Test, ContinuesAnyCrc) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 300; ++i) {
    const std::size_t size = random() % 66'000;
    check(size, random() % 4'000, random() % 64, random());
  }
}

INSTANTIATE_TEST_SUITE_P(Both, CopyWithCrc64Test,
                         testing::Values(Stores::kOrdinary, Stores::kStreaming));

}  // namespace
}  // namespace ossmc
