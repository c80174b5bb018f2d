// SlotControl: how many ranged requests each I/O thread may have in progress now, and whether these
// are what limits the transfer.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/thread_load.h"
#include "prefetch/concurrency.h"
#include "prefetch/thread_loads.h"

namespace ossmc {

struct SlotOptions {
  int threads = 1;
  int start_per_thread = 16;
  int most_per_thread = 0;           // not above the start: that is fixed
  const ThreadLoad* load = nullptr;  // null: the CPU is never taken for the limit
};

// Guarded by the scheduler's mutex, which owns it.
class SlotControl {
 public:
  // `loads` outlives it.
  SlotControl(const SlotOptions& options, const ThreadLoads& loads);

  int slots(int thread) const;  // of an I/O thread
  // For what nobody waits for: no more than is enough for the thread, where it is the limit itself
  // (docs/decisions/0003-concurrency.md).
  int slots(int thread, int enough) const;
  int total() const { return level_.level(); }
  bool is_fixed() const { return level_.is_fixed(); }  // the user has chosen the number

  // An I/O thread asks for work. True: there are more slots than before, wake the other threads.
  bool on_asked(TimePoint now, std::uint64_t bytes_received, std::uint64_t throttles);
  // It got nothing; `full`: since all its slots are taken, though there is more to start.
  void on_nothing(int thread, bool full);
  // When somebody should ask again, so that the measurements go on.
  TimePoint next_due(TimePoint now) const;

  bool is_cpu_bound() const { return loads_.are_full(); }  // all I/O threads together
  bool is_throttled(TimePoint now) const { return level_.is_throttled(now); }

 private:
  bool all_full() const;

  const ThreadLoads& loads_;
  std::vector<bool> full_;  // by I/O thread
  ConcurrencyLevel level_;
};

}  // namespace ossmc
