#include "prefetch/prefetch_pause.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ossmc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class PrefetchPauseTest : public testing::Test {
 protected:
  // How long it is now; the clock then stands at its end.
  Duration pass() {
    const Duration length = pause_.until() - now_;
    EXPECT_EQ(pause_.is_on(now_), length > Duration(0));
    now_ = pause_.until();
    EXPECT_FALSE(pause_.is_on(now_));
    return length;
  }
  const RetryOptions retry_{.base = milliseconds(200), .cap = seconds(20)};
  TimePoint now_{seconds(1000)};
  PrefetchPause pause_;
};

TEST_F(PrefetchPauseTest, NothingFailedAndNothingIsHeldBack) {
  EXPECT_FALSE(pause_.is_on(now_));
  pause_.on_start(now_, retry_);
  EXPECT_FALSE(pause_.is_on(now_));
}

TEST_F(PrefetchPauseTest, DoublesWithWhatIsStartedAloneUpToTheCap) {
  pause_.on_failure(now_, retry_, 0.5);
  Duration expected = milliseconds(150);  // three quarters of 200 ms
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(pass(), std::min<Duration>(expected, seconds(15))) << i;
    pause_.on_start(now_, retry_);
    EXPECT_TRUE(pause_.is_on(now_));
    if (expected < seconds(15)) expected *= 2;
  }
}

TEST_F(PrefetchPauseTest, BetweenHalfAndAllOfTheTime) {
  pause_.on_failure(now_, retry_, 0.0);
  EXPECT_EQ(pass(), milliseconds(100));
  EXPECT_FALSE(pause_.on_success(now_));
  pause_.on_failure(now_, retry_, 1.0);
  EXPECT_EQ(pass(), milliseconds(200));
}

TEST_F(PrefetchPauseTest, WhatWasUnderWayWhenItBeganDoesNotMakeItLonger) {
  pause_.on_failure(now_, retry_, 0.0);
  const TimePoint until = pause_.until();
  for (int i = 0; i < 16; ++i) pause_.on_failure(now_ + milliseconds(i), retry_, 1.0);
  EXPECT_EQ(pause_.until(), until);
}

TEST_F(PrefetchPauseTest, ASuccessEndsIt) {
  for (int i = 0; i < 5; ++i) {
    pause_.on_failure(now_, retry_, 0.0);
    pass();
  }
  pause_.on_failure(now_, retry_, 0.0);
  EXPECT_TRUE(pause_.on_success(now_));
  EXPECT_FALSE(pause_.is_on(now_));
  pause_.on_start(now_, retry_);
  EXPECT_FALSE(pause_.is_on(now_));
  pause_.on_failure(now_, retry_, 0.0);
  EXPECT_EQ(pass(), milliseconds(100));
}

}  // namespace
}  // namespace ossmc
