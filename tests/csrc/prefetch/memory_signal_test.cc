#include "prefetch/memory_signal.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace ossmc {
namespace {

TEST(MemorySignalTest, TheEpochMovesEachTime) {
  MemorySignal signal;
  const std::uint32_t before = signal.epoch();
  signal.move();
  const std::uint32_t after = signal.epoch();
  EXPECT_NE(after, before);
  signal.move();
  EXPECT_NE(signal.epoch(), after);
}

TEST(MemorySignalTest, WhoLookedBeforeItMovedDoesNotWait) {
  MemorySignal signal;
  const std::uint32_t before = signal.epoch();
  signal.move();
  signal.wait(before, std::chrono::seconds(30));
}

TEST(MemorySignalTest, AWaitEndsAtItsLimit) {
  MemorySignal signal;
  signal.wait(signal.epoch(), Duration::zero());
}

// A move that is lost leaves one of them asleep until its limit.
TEST(MemorySignalTest, NoMoveIsLostBetweenTwoThreads) {
  constexpr int kMoves = 2000;
  MemorySignal signals[2];
  std::atomic<int> said[2] = {0, 0};
  std::atomic<bool> is_lost{false};
  const auto take_turns = [&](int self) {
    const int other = 1 - self;
    for (int i = 1; i <= kMoves && !is_lost.load(); ++i) {
      if (self == 0) {
        said[self].store(i);
        signals[self].move();
      }
      const Duration limit = std::chrono::seconds(30);
      const auto deadline = std::chrono::steady_clock::now() + limit;
      std::uint32_t epoch = signals[other].epoch();
      for (; said[other].load() < i; epoch = signals[other].epoch()) {
        signals[other].wait(epoch, limit);
        if (std::chrono::steady_clock::now() >= deadline) is_lost.store(true);
        if (is_lost.load()) return;
      }
      if (self == 1) {
        said[self].store(i);
        signals[self].move();
      }
    }
  };
  std::thread second(take_turns, 1);
  take_turns(0);
  second.join();
  EXPECT_FALSE(is_lost.load());
}

}  // namespace
}  // namespace ossmc
