#include "base/wait.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace ossmc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(FutexWait, ReturnsAtOnceWhenTheWordHasChanged) {
  const std::atomic<std::uint32_t> word{1};
  const TimePoint start = system_clock().now();
  futex_wait(word, 0, seconds(60));
  EXPECT_LT(system_clock().now() - start, seconds(30));
}

TEST(FutexWait, ReturnsAtOnceWithoutTimeLeft) {
  const std::atomic<std::uint32_t> word{0};
  futex_wait(word, 0, Duration::zero());
  futex_wait(word, 0, seconds(-5));
}

TEST(FutexWait, EndsAtItsLimit) {
  const std::atomic<std::uint32_t> word{0};
  const TimePoint start = system_clock().now();
  // A signal may end one call early; the loop is what callers write.
  while (system_clock().now() - start < milliseconds(5)) futex_wait(word, 0, milliseconds(5));
  EXPECT_LT(system_clock().now() - start, seconds(30));
}

TEST(FutexWait, IsWokenByAnotherThread) {
  std::atomic<std::uint32_t> word{0};
  const TimePoint start = system_clock().now();
  std::jthread waker([&word] {
    word.store(1);
    futex_wake_all(word);
  });
  while (word.load() == 0) futex_wait(word, 0, seconds(60));
  EXPECT_LT(system_clock().now() - start, seconds(30));
}

TEST(FutexWait, WakesAllWaiters) {
  std::atomic<std::uint32_t> word{0};
  std::atomic<int> awake{0};
  const TimePoint start = system_clock().now();
  {
    std::vector<std::jthread> waiters;
    for (int i = 0; i < 3; ++i) {
      waiters.emplace_back([&] {
        while (word.load() == 0) futex_wait(word, 0, seconds(60));
        awake.fetch_add(1);
      });
    }
    word.store(1);
    futex_wake_all(word);
  }
  EXPECT_EQ(awake.load(), 3);
  EXPECT_LT(system_clock().now() - start, seconds(30));
}

TEST(NoInterrupt, IsNeverPending) { EXPECT_FALSE(no_interrupt().pending()); }

}  // namespace
}  // namespace ossmc
