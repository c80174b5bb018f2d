#include "base/fork_gate.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace ossmc {
namespace {

// Whether a forked child finds the lock free. try_lock: a child never waits.
bool child_finds_free(std::mutex& lock) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(lock.try_lock() ? 0 : 1);
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(ForkGate, AChildFindsNoLockTakenThatIsTakenInsideOnly) {
  std::mutex lock;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&lock, &stop] {
      const ForkGate::Inside inside(fork_gate());
      while (!stop.load()) {
        {
          const std::lock_guard taken(lock);
        }
        fork_gate().let_fork();
      }
    });
  }
  int taken = 0;
  for (int i = 0; i < 200; ++i) taken += child_finds_free(lock) ? 0 : 1;
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 0);
}

TEST(ForkGate, WithoutItAChildFindsTheLockTaken) {
  std::mutex lock;
  std::atomic<bool> has_it{false};
  std::atomic<bool> stop{false};
  std::thread holder([&] {
    const std::lock_guard taken(lock);
    has_it.store(true);
    while (!stop.load()) std::this_thread::yield();
  });
  while (!has_it.load()) std::this_thread::yield();
  EXPECT_FALSE(child_finds_free(lock));
  stop.store(true);
  holder.join();
}

TEST(ForkGate, WhoStaysInsideDelaysAForkForALimitedTimeOnly) {
  ForkGate gate;
  std::optional<ForkGate::Inside> inside(gate);
  EXPECT_FALSE(gate.close(std::chrono::milliseconds(1)));
  gate.open();
  inside.reset();
  EXPECT_TRUE(gate.close(std::chrono::milliseconds(1)));
  gate.open();
}

TEST(ForkGate, TheChildIsNotKeptOutByThreadsThatItDoesNotHave) {
  ForkGate gate;
  {
    const ForkGate::Inside inside(gate);  // as of a thread that stayed in the parent
    EXPECT_FALSE(gate.close(std::chrono::milliseconds(1)));
    const pid_t child = ::fork();
    if (child == 0) {
      gate.open_as_child();
      { const ForkGate::Inside again(gate); }
      ::_exit(gate.close(std::chrono::milliseconds(1)) ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    gate.open();
  }
}

TEST(ForkGate, AClosedGateKeepsThreadsOutUntilItOpens) {
  ForkGate gate;
  std::atomic<int> steps{0};
  EXPECT_TRUE(gate.close(std::chrono::milliseconds(1)));
  EXPECT_TRUE(gate.close(std::chrono::milliseconds(1)));  // two forks at a time
  std::thread late([&] {
    steps.store(1);
    const ForkGate::Inside inside(gate);
    steps.store(2);
  });
  while (steps.load() == 0) std::this_thread::yield();
  gate.open();
  for (int i = 0; i < 1000; ++i) std::this_thread::yield();
  EXPECT_EQ(steps.load(), 1);
  gate.open();
  late.join();
  EXPECT_EQ(steps.load(), 2);
}

}  // namespace
}  // namespace ossmc
