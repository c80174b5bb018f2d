#include "base/timed_mutex.h"

#include "base/wait.h"

namespace ossmc {

bool TimedMutex::try_lock_for(Duration limit) {
  if (try_lock()) return true;
  const Clock& clock = system_clock();
  const TimePoint deadline = clock.now() + limit;
  // Whoever has slept takes it as awaited, for others may still sleep: a wake too many at worst.
  while (word_.exchange(kAwaited, std::memory_order_acquire) != kFree) {
    const TimePoint now = clock.now();
    if (now >= deadline) return false;
    futex_wait(word_, kAwaited, deadline - now);
  }
  return true;
}

void TimedMutex::unlock() {
  if (word_.exchange(kFree, std::memory_order_release) == kAwaited) futex_wake_all(word_);
}

}  // namespace ossmc
