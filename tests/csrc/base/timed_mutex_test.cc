#include "base/timed_mutex.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

namespace ossmc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(TimedMutex, IsHadByOneAtATime) {
  TimedMutex mutex;
  ASSERT_TRUE(mutex.try_lock());
  EXPECT_FALSE(mutex.try_lock());
  mutex.unlock();
  ASSERT_TRUE(mutex.try_lock());
  mutex.unlock();
}

TEST(TimedMutex, WaitEndsAtItsLimitAndLeavesTheLockUsable) {
  TimedMutex mutex;
  ASSERT_TRUE(mutex.try_lock());
  const TimePoint start = system_clock().now();
  EXPECT_FALSE(mutex.try_lock_for(milliseconds(5)));
  EXPECT_GE(system_clock().now() - start, milliseconds(5));
  EXPECT_FALSE(mutex.try_lock_for(Duration::zero()));
  mutex.unlock();
  ASSERT_TRUE(mutex.try_lock_for(Duration::zero()));
  mutex.unlock();
}

TEST(TimedMutex, UnlockWakesWhoeverWaits) {
  TimedMutex mutex;
  ASSERT_TRUE(mutex.try_lock());
  const TimePoint start = system_clock().now();
  {
    std::vector<std::jthread> waiters;
    for (int i = 0; i < 3; ++i) {
      waiters.emplace_back([&mutex] {
        if (mutex.try_lock_for(seconds(60))) {
          mutex.unlock();
        } else {
          ADD_FAILURE() << "nobody woke this one";
        }
      });
    }
    mutex.unlock();
  }
  EXPECT_LT(system_clock().now() - start, seconds(30));
}

TEST(TimedMutex, HoldersSeeWhatThoseBeforeHaveWritten) {
  constexpr int kTimes = 10'000;
  TimedMutex mutex;
  int count = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int times = 0; times < kTimes; ++times) {
          while (!mutex.try_lock_for(milliseconds(100))) {
          }
          ++count;
          mutex.unlock();
        }
      });
    }
  }
  EXPECT_EQ(count, 4 * kTimes);
}

}  // namespace
}  // namespace ossmc
