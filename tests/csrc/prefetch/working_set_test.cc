#include "prefetch/working_set.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>

namespace ossmc {
namespace {

using std::chrono::milliseconds;

class WorkingSetTest : public testing::Test {
 protected:
  // An I/O thread asks every 10 ms for so long.
  void ask_for(milliseconds time, bool is_short, bool reader_waits, bool cpu_bound = false) {
    for (milliseconds passed{0}; passed < time; passed += milliseconds(10)) {
      now_ += milliseconds(10);
      if (is_short) {
        set_.note_refused();
      } else {
        set_.clear_refused();
      }
      set_.add({.now = now_,
                .in_flight_bytes = in_flight_,
                .reader_waits = reader_waits,
                .cpu_bound = cpu_bound});
    }
  }

  WorkingSet set_{16u << 20};
  TimePoint now_ = TimePoint{} + std::chrono::seconds(1000);
  std::uint64_t in_flight_ = 0;
};

TEST_F(WorkingSetTest, MoreIsReadyWhereMoreIsInFlight) {
  const std::uint64_t least = set_.ready_bytes();
  EXPECT_GT(least, 0U);
  in_flight_ = std::uint64_t{1} << 30;
  ask_for(milliseconds(10), false, false);
  EXPECT_GT(set_.ready_bytes(), least);
  EXPECT_LT(set_.ready_bytes(), in_flight_);
}

TEST_F(WorkingSetTest, ItIsQuietWhenNobodyHasReadForAWhileAndNobodyWaits) {
  set_.note_use(now_);
  EXPECT_FALSE(set_.is_quiet(now_));
  EXPECT_FALSE(set_.is_quiet(now_ + WorkingSet::kQuietAfter - milliseconds(1)));
  EXPECT_TRUE(set_.is_quiet(now_ + WorkingSet::kQuietAfter));
  ask_for(milliseconds(10), false, true);
  EXPECT_FALSE(set_.is_quiet(now_ + WorkingSet::kQuietAfter)) << "a read waits for the network";
  ask_for(milliseconds(10), false, false);
  EXPECT_TRUE(set_.is_quiet(now_ + WorkingSet::kQuietAfter));
}

// A reader takes 300 MB at once and computes for 80 ms: in the one it waits for the line, in the
// other the line stands still.
TEST_F(WorkingSetTest, ItGrowsForBurstsOfReaders) {
  const std::uint64_t before = set_.ready_bytes();
  for (int i = 0; i < 10; ++i) {
    ask_for(milliseconds(80), true, false);
    ask_for(milliseconds(80), false, true);
  }
  EXPECT_GT(set_.ready_bytes(), before);
}

TEST_F(WorkingSetTest, ItDoesNotGrowWhereTheReaderIsTheLimit) {
  const std::uint64_t before = set_.ready_bytes();
  ask_for(milliseconds(3000), true, false);
  EXPECT_EQ(set_.ready_bytes(), before);
}

TEST_F(WorkingSetTest, ItDoesNotGrowWhereTheLineIsTheLimit) {
  const std::uint64_t before = set_.ready_bytes();
  ask_for(milliseconds(3000), false, true);
  EXPECT_EQ(set_.ready_bytes(), before);
}

TEST_F(WorkingSetTest, ItDoesNotGrowWhereTheProcessorIsTheLimit) {
  const std::uint64_t before = set_.ready_bytes();
  ask_for(milliseconds(3000), true, true, true);
  EXPECT_EQ(set_.ready_bytes(), before);
}

TEST_F(WorkingSetTest, ItDoesNotGrowForWhatHappensBetweenTwoChunks) {
  const std::uint64_t before = set_.ready_bytes();
  for (int i = 0; i < 100; ++i) {
    ask_for(milliseconds(10), true, true);
    ask_for(milliseconds(190), false, false);
  }
  EXPECT_EQ(set_.ready_bytes(), before);
}

TEST_F(WorkingSetTest, HoweverOftenItGrowsItStaysANumber) {
  in_flight_ = std::uint64_t{1} << 40;
  std::uint64_t last = 0;
  for (int i = 0; i < 100; ++i) {
    ask_for(milliseconds(400), true, true);
    EXPECT_GE(set_.ready_bytes(), last);
    last = set_.ready_bytes();
  }
}

TEST_F(WorkingSetTest, ItIsLookedAtAgainWhileSomethingIsRefused) {
  EXPECT_EQ(set_.next_due(now_), TimePoint::max());
  set_.note_refused();
  EXPECT_GT(set_.next_due(now_), now_);
  EXPECT_LE(set_.next_due(now_), now_ + WorkingSet::kQuietAfter);
  set_.clear_refused();
  EXPECT_EQ(set_.next_due(now_), TimePoint::max());
}

}  // namespace
}  // namespace ossmc
