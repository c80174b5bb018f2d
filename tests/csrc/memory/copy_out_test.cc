#include "memory/copy_out.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "support/csrc/exact_copy.h"
#include "support/csrc/pattern.h"

namespace ossmc {
namespace {

constexpr std::size_t kPageBytes = 4096;

// The first byte of a page in `bytes`, which has a page to spare.
std::byte* page_of(std::vector<std::byte>& bytes) {
  return bytes.data() + (-reinterpret_cast<std::uintptr_t>(bytes.data()) % kPageBytes);
}

// Targets of all distances within a page from the source, as far as the copy makes a difference,
// and sizes around where it does; the bytes on either side of the target stay.
TEST(CopyOut, CopiesExactlyTheRangeForAllDistancesAndSizes) {
  constexpr std::size_t kMost = (std::size_t{2} << 20) + 1;
  std::vector<std::byte> source(kMost + 2 * kPageBytes);
  std::vector<std::byte> target(kMost + 3 * kPageBytes);
  std::byte* const from_page = page_of(source);
  std::byte* const to_page = page_of(target) + kPageBytes;
  fill_pattern(from_page, 7, 0, kMost + kPageBytes);
  for (const std::size_t size :
       {0ul, 1ul, 2047ul, 2048ul, 2049ul, 4111ul, 70'000ul, kMost - 2, kMost - 1}) {
    // A large one takes its time, and is no different but for its end.
    const std::size_t step = size > 64 * kPageBytes ? 13 : 1;
    for (std::size_t distance = 0; distance < 70; distance += step) {
      const std::size_t begin = distance * 29 % 50;
      const std::byte* const from = from_page + begin;
      std::byte* const to = to_page + begin + distance;
      set_guards(to, size);
      copy_out(to, from, size);
      ASSERT_TRUE(is_exact_copy(to, from, size)) << size << " " << distance;
    }
  }
}

}  // namespace
}  // namespace ossmc
