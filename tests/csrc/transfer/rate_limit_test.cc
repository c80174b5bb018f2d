// The limit of bytes a second, by a clock that the test moves: how many bytes, and whose.
#include "transfer/rate_limit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <vector>

#include "support/csrc/fake_clock.h"

namespace ossmc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RateLimitTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kRate = 100'000'000;
  static constexpr std::uint64_t kPiece = 16u << 10;  // as libcurl hands it over
  // An exchange that has more to receive whenever it may.
  struct Taker {
    RateLimit::Share share;
    bool is_awaited = false;
    bool waits = false;
    std::uint64_t received = 0;
    std::uint64_t wants = UINT64_MAX;
  };

  explicit RateLimitTest(std::uint64_t rate = kRate) : limit_(rate, clock_) {}
  ~RateLimitTest() override {
    for (Taker& one : takers_) limit_.end(one.share);
  }

  Taker& add(const void* reader, bool is_awaited = false) {
    Taker& taker = takers_.emplace_back();
    taker.is_awaited = is_awaited;
    limit_.begin(taker.share, reader);
    return taker;
  }
  // As the byte path does: until it is to wait, or has what it wants.
  void take(Taker& taker) {
    while (taker.received < taker.wants) {
      taker.waits = !limit_.may_take(taker.share, taker.is_awaited);
      if (taker.waits) return;
      const std::uint64_t bytes = std::min(kPiece, taker.wants - taker.received);
      limit_.took(taker.share, bytes);
      taker.received += bytes;
    }
  }
  // One look of an I/O thread that has all of them.
  void look() {
    for (Taker& one : takers_) {
      if (one.waits) limit_.set_awaited(one.share, one.is_awaited);
    }
    limit_.give_out();
    for (Taker& one : takers_) {
      if (one.waits && one.share.waits()) continue;
      one.waits = false;
      take(one);
    }
  }
  void run(Duration duration, Duration step = RateLimit::kTick) {
    const TimePoint end = clock_.now() + duration;
    while (clock_.now() < end) {
      clock_.advance(step);
      look();
    }
  }
  std::uint64_t received() const {
    std::uint64_t all = 0;
    for (const Taker& one : takers_) all += one.received;
    return all;
  }
  // Within one in a hundred.
  static void expect_near(std::uint64_t bytes, double expected) {
    EXPECT_NEAR(static_cast<double>(bytes), expected, expected / 100);
  }

  FakeClock clock_;
  RateLimit limit_;
  std::deque<Taker> takers_;
  int a_ = 0;  // readers
  int b_ = 0;
};

TEST_F(RateLimitTest, OneExchangeHasItAll) {
  add(&a_);
  run(seconds(10));
  expect_near(received(), 10.0 * kRate);
}

TEST_F(RateLimitTest, ManyExchangesHaveItTogetherAndInEqualParts) {
  for (int i = 0; i < 64; ++i) add(&a_);
  run(seconds(10));
  expect_near(received(), 10.0 * kRate);
  // The first of all found nobody who waited: 5 ms of the limit were its own.
  const std::uint64_t first = takers_.front().received;
  for (const Taker& one : takers_)
    EXPECT_NEAR(static_cast<double>(one.received), static_cast<double>(first), kRate / 100.0);
}

class SlowRateLimitTest : public RateLimitTest {
 protected:
  SlowRateLimitTest() : RateLimitTest(RateLimit::kLeastBytesPerSecond) {}
};

TEST_F(SlowRateLimitTest, TheLeastIsKeptToo) {
  for (int i = 0; i < 64; ++i) add(&a_);
  run(seconds(100));
  expect_near(received(), 100.0 * RateLimit::kLeastBytesPerSecond);
}

TEST_F(RateLimitTest, AThreadThatComesLateLosesNothingWithinABurst) {
  add(&a_);
  run(seconds(10), RateLimit::kBurst);
  expect_near(received(), 10.0 * kRate);
}

TEST_F(RateLimitTest, APauseIsMadeUpForByNoMoreThanABurst) {
  clock_.advance(seconds(60));
  Taker& one = add(&a_);
  take(one);
  EXPECT_LE(one.received, kRate / 4 + limit_.portion_bytes() + kPiece);
}

// One with one connection has as much as one with many.
TEST_F(RateLimitTest, ReadersShareItWhateverTheirConnections) {
  for (const bool is_awaited : {false, true}) {
    for (Taker& one : takers_) limit_.end(one.share);
    takers_.clear();
    Taker& alone = add(&a_, is_awaited);
    for (int i = 0; i < 32; ++i) add(&b_, is_awaited);
    run(seconds(10));
    expect_near(alone.received, 10.0 * kRate / 2);
  }
}

TEST_F(RateLimitTest, WhatSomebodyWaitsForGoesFirst) {
  for (int i = 0; i < 64; ++i) add(&a_);
  run(seconds(1));
  Taker& urgent = add(&b_, true);
  urgent.wants = 1 << 20;
  const TimePoint began = clock_.now();
  take(urgent);
  while (urgent.received < urgent.wants) run(milliseconds(1), milliseconds(1));
  // 10 ms for the bytes themselves, at seven of eight portions; and until its turn comes.
  EXPECT_LE(clock_.now() - began, milliseconds(12) + RateLimit::kTick);
}

TEST_F(RateLimitTest, WhatIsWaitedForLaterMovesUp) {
  for (int i = 0; i < 64; ++i) add(&a_);
  run(seconds(1));
  Taker& chosen = takers_[40];
  const std::uint64_t before = chosen.received;
  chosen.is_awaited = true;
  run(milliseconds(100));
  EXPECT_GE(chosen.received - before, kRate / 10 * 3 / 4);
}

// A server may close a connection from which nobody takes anything.
TEST_F(RateLimitTest, WhatNobodyWaitsForGoesOnBehindThoseThatAreAwaited) {
  Taker& other = add(&a_);
  for (int i = 0; i < 8; ++i) add(&b_, true);
  run(seconds(10));
  expect_near(other.received, 10.0 * kRate / RateLimit::kOthersTurn);
}

TEST_F(RateLimitTest, WhatOneLeavesIsForTheOthers) {
  Taker& gone = add(&a_);
  take(gone);
  Taker& left = add(&b_);
  run(seconds(1));
  limit_.end(gone.share);
  gone.wants = 0;
  gone.waits = false;
  const std::uint64_t before = left.received;
  run(seconds(1));
  expect_near(left.received - before, kRate);
}

TEST_F(RateLimitTest, OneThatEndsWhileItWaitsIsNotCounted) {
  for (int i = 0; i < 8; ++i) add(&a_);
  run(seconds(1));
  for (Taker& one : takers_) {
    limit_.end(one.share);
    one.wants = 0;
    one.waits = false;
  }
  const std::uint64_t before = received();
  add(&b_);
  run(seconds(1));
  EXPECT_LE(received() - before, kRate * 13 / 10);
}

// Else it would find nothing at each look.
TEST_F(RateLimitTest, AfterTheWaitThereIsSomething) {
  Taker& one = add(&a_);
  take(one);
  ASSERT_TRUE(one.waits);
  while (one.received < 10 * kPiece) {
    const Duration wait = limit_.wait();
    ASSERT_GE(wait, RateLimit::kTick);
    clock_.advance(wait);
    const std::uint64_t before = one.received;
    look();
    EXPECT_GT(one.received, before);
  }
}

TEST_F(RateLimitTest, LimitsWhileSomebodyWaitsAndShortlyAfter) {
  EXPECT_FALSE(limit_.is_limiting());
  Taker& one = add(&a_);
  take(one);
  EXPECT_TRUE(limit_.is_limiting());
  clock_.advance(seconds(5));
  EXPECT_TRUE(limit_.is_limiting());
  limit_.end(one.share);
  one.wants = 0;
  one.waits = false;
  EXPECT_FALSE(limit_.is_limiting());
}

// A reader is an address, and may be of millions of small objects.
TEST_F(RateLimitTest, ReadersThatCameAndWentCostNothing) {
  std::vector<char> readers(10'000);
  for (const char& reader : readers) {
    RateLimit::Share share;
    limit_.begin(share, &reader);
    if (limit_.may_take(share, true)) limit_.took(share, kPiece);
    limit_.end(share);
    clock_.advance(milliseconds(1));
  }
  add(&a_);
  run(seconds(1));
  EXPECT_GE(received(), kRate);
  EXPECT_LE(received(), kRate * 13 / 10);
}

}  // namespace
}  // namespace ossmc
