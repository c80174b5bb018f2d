// SlotControl: how many ranged requests each I/O thread may have in progress now, and whether these
// are what limits the transfer.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/thread_load.h"
#include "prefetch/concurrency.h"

namespace ossmc {

struct SlotOptions {
  int threads = 1;
  int start_per_thread = 16;
  int most_per_thread = 0;           // not above the start: that is fixed
  const ThreadLoad* load = nullptr;  // null: the CPU is never taken for the limit
};

// Not thread-safe but where said: the scheduler keeps it under its mutex.
class SlotControl {
 public:
  explicit SlotControl(const SlotOptions& options);

  int slots(int thread) const;  // of an I/O thread
  // For what nobody waits for: no more than is enough for the thread, where it is the limit itself
  // (docs/decisions/0003-concurrency.md).
  int slots(int thread, int enough) const;
  int total() const { return level_.level(); }

  // By I/O thread `thread` itself, without the mutex: system calls, a few times a second.
  void measure_load(int thread, TimePoint now);

  // An I/O thread asks for work. True: there are more slots than before, wake the other threads.
  bool on_asked(TimePoint now, std::uint64_t bytes_received, std::uint64_t throttles);
  // It got nothing; `full`: since all its slots are taken, though there is more to start.
  void on_nothing(int thread, bool full);
  // When somebody should ask again, so that the measurements go on.
  TimePoint next_due(TimePoint now) const;

  bool is_cpu_bound() const;  // all I/O threads together
  bool is_throttled(TimePoint now) const { return level_.is_throttled(now); }

 private:
  struct Thread {
    bool full = false;
    // The thread's own.
    TimePoint measured_at{};
    Duration busy_time{};
    std::atomic<std::uint32_t> load_percent{0};  // relaxed: a figure on its own
  };

  bool is_cpu_bound(const Thread& thread) const;
  bool all_full() const;

  const ThreadLoad* const load_;
  std::vector<Thread> threads_;
  ConcurrencyLevel level_;
};

}  // namespace ossmc
