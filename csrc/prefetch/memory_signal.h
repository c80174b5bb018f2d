// MemorySignal: tells threads that wait for memory of the budget when some may be had.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"
#include "base/wait.h"

namespace ossmc {

// Thread-safe. A Dekker pair (seq_cst): who waits counts itself, then looks at the epoch; who moves
// the epoch then looks for waiters, and wakes nobody, which is a system call, where there are none.
class MemorySignal {
 public:
  // Moves when memory came free, or somebody's turn came.
  std::uint32_t epoch() const { return epoch_.load(); }
  // Until it is not `epoch` any more, or `limit` has passed. May return early.
  void wait(std::uint32_t epoch, Duration limit) {
    waiters_.fetch_add(1);
    futex_wait(epoch_, epoch, limit);
    waiters_.fetch_sub(1);
  }
  // Under no lock: it may be a system call.
  void move() {
    epoch_.fetch_add(1);
    if (waiters_.load() > 0) futex_wake_all(epoch_);
  }

 private:
  std::atomic<std::uint32_t> epoch_{0};
  std::atomic<int> waiters_{0};
};

}  // namespace ossmc
