#include "memory/streaming_copy.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/csrc/exact_copy.h"
#include "support/csrc/pattern.h"

namespace ossmc {
namespace {

// All alignments of both sides, and sizes around the line and around where streaming begins; the
// bytes on either side of the destination stay.
TEST(StreamingCopy, CopiesExactlyTheRangeForAllAlignmentsAndSizes) {
  constexpr std::size_t kMost = 4200;
  std::vector<std::byte> source(kMost + 64);
  fill_pattern(source.data(), 7, 0, source.size());
  std::vector<std::byte> target(kMost + 64 + 2 * kGuardBytes);
  for (const std::size_t size : {0ul, 1ul, 63ul, 64ul, 65ul, 1023ul, 1024ul, 1025ul, 1087ul, 1088ul,
                                 1089ul, 1151ul, 1460ul, 4096ul, 4159ul, 4200ul}) {
    for (std::size_t shift = 0; shift < 65; ++shift) {
      const std::size_t from = (shift * 37) % 64;
      std::byte* const to = target.data() + kGuardBytes + shift;
      set_guards(to, size);
      streaming_copy(to, source.data() + from, size);
      finish_streaming_copies();
      ASSERT_TRUE(is_exact_copy(to, source.data() + from, size)) << size << " " << shift;
    }
  }
}

}  // namespace
}  // namespace ossmc
