#include "base/clock.h"

#include <gtest/gtest.h>

#include "support/csrc/fake_clock.h"

namespace ossmc {
namespace {

TEST(SystemClock, IsOneInstanceAndNeverGoesBack) {
  EXPECT_EQ(&system_clock(), &system_clock());
  TimePoint before = system_clock().now();
  for (int i = 0; i < 1000; ++i) {
    const TimePoint now = system_clock().now();
    EXPECT_GE(now, before);
    before = now;
  }
}

TEST(SystemClock, KnowsTheCentury) {
  EXPECT_GT(system_clock().unix_seconds(), 1.6e9);
  EXPECT_LT(system_clock().unix_seconds(), 5e9);
}

TEST(SecondsToDuration, KeepsFractions) {
  EXPECT_EQ(seconds_to_duration(1.5), std::chrono::milliseconds(1500));
  EXPECT_EQ(seconds_to_duration(0), Duration::zero());
}

TEST(FakeClock, MovesOnlyByHand) {
  FakeClock clock(100.0);
  const TimePoint start = clock.now();
  EXPECT_EQ(clock.now(), start);
  clock.advance(std::chrono::seconds(2));
  EXPECT_EQ(clock.now() - start, std::chrono::seconds(2));
  EXPECT_DOUBLE_EQ(clock.unix_seconds(), 102.0);
  clock.set_unix_seconds(50.0);
  EXPECT_EQ(clock.now() - start, std::chrono::seconds(2));
  EXPECT_DOUBLE_EQ(clock.unix_seconds(), 50.0);
}

}  // namespace
}  // namespace ossmc
