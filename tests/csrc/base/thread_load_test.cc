#include "base/thread_load.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace ossmc {
namespace {

TEST(ThreadLoad, CountsWorkAndNotSleep) {
  const ThreadLoad& load = system_thread_load();
  const Duration before = load.busy_time();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const Duration asleep = load.busy_time() - before;
  EXPECT_LT(asleep, std::chrono::milliseconds(45));

  const Duration start = load.busy_time();
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  std::uint64_t work = 0;
  while (std::chrono::steady_clock::now() < until) work = work + 1;
  EXPECT_GT(work, 0U);
  EXPECT_GT(load.busy_time() - start, std::chrono::milliseconds(40));
}

}  // namespace
}  // namespace ossmc
