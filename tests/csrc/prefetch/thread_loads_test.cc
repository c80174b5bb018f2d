#include "prefetch/thread_loads.h"

#include <gtest/gtest.h>

#include <chrono>

#include "support/csrc/fake_clock.h"

namespace ossmc {
namespace {

using std::chrono::milliseconds;

class ThreadLoadsTest : public testing::Test {
 protected:
  // The same for every thread: how long it was busy so far.
  class BusyTime final : public ThreadLoad {
   public:
    Duration busy_time() const override { return busy; }
    Duration busy{};
  };

  // So much time passes, in which they are busy for so much, and thread `thread` measures.
  void pass(int thread, Duration time, Duration busy) {
    clock_.advance(time);
    load_.busy += busy;
    loads_.measure(thread, clock_.now());
  }

  FakeClock clock_;
  BusyTime load_;
  ThreadLoads loads_{2, &load_};
};

TEST_F(ThreadLoadsTest, NothingIsKnownBeforeASecondMeasurement) {
  EXPECT_FALSE(loads_.is_full(0));
  pass(0, milliseconds(1000), milliseconds(1000));
  EXPECT_FALSE(loads_.is_full(0));
  pass(0, milliseconds(200), milliseconds(180));
  EXPECT_TRUE(loads_.is_full(0));
  EXPECT_FALSE(loads_.is_full(1));
}

TEST_F(ThreadLoadsTest, NineTenthsOfTheTimeIsFull) {
  pass(0, milliseconds(200), milliseconds(0));
  pass(0, milliseconds(1000), milliseconds(899));
  EXPECT_FALSE(loads_.is_full(0));
  pass(0, milliseconds(1000), milliseconds(900));
  EXPECT_TRUE(loads_.is_full(0));
  pass(0, milliseconds(1000), milliseconds(0));
  EXPECT_FALSE(loads_.is_full(0));
}

TEST_F(ThreadLoadsTest, MeasuresOverWholePeriods) {
  pass(0, milliseconds(200), milliseconds(0));
  pass(0, milliseconds(100), milliseconds(100));
  EXPECT_FALSE(loads_.is_full(0));  // too early
  pass(0, milliseconds(100), milliseconds(100));
  EXPECT_TRUE(loads_.is_full(0));
}

TEST_F(ThreadLoadsTest, AllTogetherAreFullByTheirMean) {
  pass(0, milliseconds(200), milliseconds(0));
  pass(1, milliseconds(0), milliseconds(0));
  pass(0, milliseconds(1000), milliseconds(1000));
  EXPECT_TRUE(loads_.is_full(0));
  EXPECT_FALSE(loads_.are_full());
  pass(1, milliseconds(0), milliseconds(0));
  EXPECT_TRUE(loads_.is_full(1));  // it measured last when the first one did
  EXPECT_TRUE(loads_.are_full());
  pass(1, milliseconds(1000), milliseconds(800));
  EXPECT_FALSE(loads_.is_full(1));
  EXPECT_TRUE(loads_.are_full());  // 100 and 80
  pass(1, milliseconds(1000), milliseconds(790));
  EXPECT_FALSE(loads_.are_full());
}

TEST(ThreadLoads, WhereNobodyMeasuresNoThreadIsFull) {
  FakeClock clock;
  ThreadLoads loads(2, nullptr);
  for (int i = 0; i < 5; ++i) {
    clock.advance(milliseconds(500));
    loads.measure(0, clock.now());
  }
  EXPECT_FALSE(loads.is_full(0));
  EXPECT_FALSE(loads.are_full());
}

}  // namespace
}  // namespace ossmc
