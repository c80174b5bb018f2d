#include "memory/streaming_copy.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "support/csrc/pattern.h"

namespace ossmc {
namespace {

// All alignments of both sides, and sizes around the line and around where streaming begins; the
// bytes on either side of the destination stay.
TEST(StreamingCopy, CopiesExactlyTheRangeForAllAlignmentsAndSizes) {
  constexpr std::size_t kMargin = 128;
  constexpr std::size_t kMost = 4200;
  constexpr std::byte kGuard{0xA5};
  std::vector<std::byte> source(kMost + kMargin);
  fill_pattern(source.data(), 7, 0, source.size());
  std::vector<std::byte> target(kMost + 3 * kMargin);
  for (const std::size_t size : {0ul, 1ul, 63ul, 64ul, 65ul, 1023ul, 1024ul, 1025ul, 1087ul, 1088ul,
                                 1089ul, 1151ul, 1460ul, 4096ul, 4159ul, 4200ul}) {
    for (std::size_t shift = 0; shift < 65; ++shift) {
      const std::size_t from = (shift * 37) % 64;
      std::memset(target.data(), static_cast<int>(kGuard), target.size());
      std::byte* const to = target.data() + kMargin + shift;
      streaming_copy(to, source.data() + from, size);
      finish_streaming_copies();
      ASSERT_EQ(std::memcmp(to, source.data() + from, size), 0) << size << " " << shift;
      for (std::size_t i = 0; i < kMargin; ++i) {
        ASSERT_EQ(to[size + i], kGuard) << size << " " << shift << " " << i;
        ASSERT_EQ(*(to - 1 - i), kGuard) << size << " " << shift << " " << i;
      }
    }
  }
}

}  // namespace
}  // namespace ossmc
