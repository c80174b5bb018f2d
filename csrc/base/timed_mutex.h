// TimedMutex: a lock that may be held for long, so that others wait for it in slices and may give
// up; with Clang's thread-safety annotations.
//
// Not std::timed_mutex, which locks by a function that the ThreadSanitizer of GCC 12 does not know:
// it reports the unlock.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"
#include "base/mutex.h"

namespace ossmc {

// Not a leaf (base/mutex.h): the holder may block. In no order: whoever looks first has it next.
class OSSMC_CAPABILITY("mutex") TimedMutex {
 public:
  TimedMutex() = default;
  TimedMutex(const TimedMutex&) = delete;
  TimedMutex& operator=(const TimedMutex&) = delete;

  bool try_lock() OSSMC_TRY_ACQUIRE(true) {
    std::uint32_t free = kFree;
    return word_.compare_exchange_strong(free, kHeld, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  // Waits for at most `limit`.
  bool try_lock_for(Duration limit) OSSMC_TRY_ACQUIRE(true);
  void unlock() OSSMC_RELEASE();

 private:
  static constexpr std::uint32_t kFree = 0;
  static constexpr std::uint32_t kHeld = 1;
  static constexpr std::uint32_t kAwaited = 2;  // held, and somebody may sleep until it is not

  // Acquire and release: what one holder has written the next one sees.
  std::atomic<std::uint32_t> word_{kFree};
};

}  // namespace ossmc
