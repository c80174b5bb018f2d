#include "transfer/enough_requests.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>

namespace ossmc {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kChunk = 8 << 20;

// A thread whose exchanges, all of one size, end in the order in which they began. While one is the
// oldest, its thread takes in `times` as much as it does.
class EnoughRequestsTest : public ::testing::Test {
 protected:
  void pass(double times, Duration taken = 10ms, Duration first_byte = 0ms,
            std::uint64_t bytes_before = 0) {
    enough_.on_oldest(++sequence_, bytes_before, received_, now_);
    now_ += taken;
    received_ += static_cast<std::uint64_t>(times * static_cast<double>(kChunk - bytes_before));
    enough_.on_whole(sequence_, kChunk, first_byte, received_, now_);
  }
  void settle(double times, Duration taken = 10ms, Duration first_byte = 0ms) {
    for (int i = 0; i < 30; ++i) pass(times, taken, first_byte);
  }

  EnoughRequests enough_;
  TimePoint now_ = TimePoint{} + 1h;
  std::uint64_t sequence_ = 0;
  std::uint64_t received_ = 0;
};

TEST_F(EnoughRequestsTest, NotKnownBeforeAnOldestOneHasEnded) {
  EXPECT_EQ(enough_.count(), Occupancy::kNotKnown);
  enough_.on_oldest(1, 0, 0, now_);
  now_ += 10ms;
  enough_.on_whole(2, kChunk, 1ms, 2 * kChunk, now_);
  EXPECT_EQ(enough_.count(), Occupancy::kNotKnown);
  enough_.on_whole(1, kChunk, 1ms, 3 * kChunk, now_);
  EXPECT_LT(enough_.count(), Occupancy::kNotKnown);
}

TEST_F(EnoughRequestsTest, TwiceWhatTheThreadCanEmptyAndOne) {
  pass(1);
  EXPECT_EQ(enough_.count(), 3);
  settle(2.5);
  EXPECT_EQ(enough_.count(), 6);
}

// Sixteen that are limited by the network bring alike: there is room for as many again.
TEST_F(EnoughRequestsTest, WhereAllBringAlikeThereIsRoomForMore) {
  for (const int in_progress : {1, 4, 16, 100}) {
    settle(in_progress);
    EXPECT_EQ(enough_.count(), 1 + 2 * in_progress);
  }
}

// 8 MiB in 10 ms, and the first byte after 20 ms: two requests are on their way at any time.
TEST_F(EnoughRequestsTest, BesidesThoseWhoseReplyIsOnItsWay) {
  settle(1, 10ms, 20ms);
  EXPECT_EQ(enough_.count(), 3 + 2);
}

TEST_F(EnoughRequestsTest, OfTheTimesToAFirstByteTheLeastOfTheLastSixteen) {
  settle(1, 10ms, 100ms);
  pass(1, 10ms, 20ms);
  EXPECT_EQ(enough_.count(), 3 + 2);
  for (int i = 0; i < 15; ++i) pass(1, 10ms, 100ms);
  EXPECT_EQ(enough_.count(), 3 + 2);
  pass(1, 10ms, 100ms);
  EXPECT_EQ(enough_.count(), 3 + 10);
}

TEST_F(EnoughRequestsTest, ThoseThatWereNearlyDoneCountTogether) {
  settle(2);
  for (int i = 0; i < 3; ++i) {
    pass(6, 10ms, 0ms, kChunk / 8 * 7);
    EXPECT_EQ(enough_.count(), 5) << i;
  }
  pass(6, 10ms, 0ms, kChunk / 8 * 7);
  EXPECT_EQ(enough_.count(), 1 + 2 * 3);
}

// Each comes to be the oldest when it is nearly done. Once all of them were found too few for a
// thread, it was only by chance that it learnt of more.
TEST_F(EnoughRequestsTest, AlikeAndBegunOneAfterAnotherThereIsRoomForMoreToo) {
  settle(1.5);
  EXPECT_EQ(enough_.count(), 4);
  constexpr std::uint64_t kAtOnce = 4;
  for (int i = 0; i < 60; ++i) pass(kAtOnce, 10ms, 0ms, kChunk - kChunk / kAtOnce);
  EXPECT_EQ(enough_.count(), 1 + 2 * kAtOnce);
}

TEST_F(EnoughRequestsTest, OneThatEndsWithoutItsReplyIsLeftOut) {
  settle(2);
  enough_.on_oldest(++sequence_, 0, received_, now_);
  received_ += 50 * kChunk;
  pass(2);
  EXPECT_EQ(enough_.count(), 5);
}

TEST_F(EnoughRequestsTest, OneOddReplyMovesItByAQuarter) {
  settle(2);
  pass(6);
  EXPECT_EQ(enough_.count(), 1 + 2 * 3);
}

// An object of no bytes, or a clock that stands still: nothing is divided by zero.
TEST_F(EnoughRequestsTest, AnEmptyReplyAndNoTimeSayNothing) {
  enough_.on_oldest(1, 0, 0, now_);
  enough_.on_whole(1, 0, 0ms, 0, now_ + 1ms);
  EXPECT_EQ(enough_.count(), Occupancy::kNotKnown);
  enough_ = {};
  enough_.on_oldest(2, 0, 0, now_);
  enough_.on_whole(2, kChunk, 0ms, kChunk, now_);
  EXPECT_EQ(enough_.count(), Occupancy::kNotKnown);
}

}  // namespace
}  // namespace ossmc
