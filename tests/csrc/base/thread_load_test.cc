#include "base/thread_load.h"

#include <gtest/gtest.h>

#include <chrono>
#include <ctime>
#include <thread>

namespace ossmc {
namespace {

using std::chrono::milliseconds;

Duration processor_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + Duration(time.tv_nsec);
}

TEST(ThreadLoad, CountsWorkAndNotSleep) {
  const ThreadLoad& load = system_thread_load();
  const TimePoint begin = system_clock().now();
  const Duration before = load.busy_time();
  std::this_thread::sleep_for(milliseconds(50));
  const Duration busy = load.busy_time() - before;
  // The rest it may have waited for a processor, on a busy machine even long.
  EXPECT_LT(busy, system_clock().now() - begin - milliseconds(45));

  const Duration start = load.busy_time();
  const Duration until = processor_time() + milliseconds(50);
  while (processor_time() < until) {
  }
  EXPECT_GT(load.busy_time() - start, milliseconds(40));
}

}  // namespace
}  // namespace ossmc
