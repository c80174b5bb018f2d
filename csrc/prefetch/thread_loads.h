// ThreadLoads: how busy each I/O thread is.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/thread_load.h"

namespace ossmc {

// Thread-safe as said at each call.
class ThreadLoads {
 public:
  static constexpr Duration kPeriod = std::chrono::milliseconds(200);  // of measurements

  // `load` null: no thread is ever found busy.
  ThreadLoads(int threads, const ThreadLoad* load)
      : load_(load), threads_(static_cast<std::size_t>(threads)) {}

  // By I/O thread `thread` itself, under no lock: system calls, a few times a second.
  void measure(int thread, TimePoint now);
  // Any thread: busy as good as all of the time.
  bool is_full(int thread) const;
  bool are_full() const;  // all together

 private:
  struct Thread {
    // The thread's own.
    TimePoint measured_at{};
    Duration busy_time{};
    std::atomic<std::uint32_t> percent{0};  // relaxed: a figure on its own
  };

  const ThreadLoad* const load_;
  std::vector<Thread> threads_;
};

}  // namespace ossmc
