#include "transfer/waker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace ossmc {

Waker::Waker() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Waker::wake() noexcept {
  if (pending_.exchange(true)) return;  // whoever set it sees to it
  if (!sleeping_.load()) return;        // it looks at pending_ before it sleeps
  const MutexLock lock(mutex_);
  if (event_.get() < 0) return;
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then it is readable.
  static_cast<void>(!::write(event_.get(), &one, sizeof one));
}

bool Waker::begin_sleep() {
  sleeping_.store(true);
  return pending_.load();
}

void Waker::clear_event() {
  std::uint64_t wakes = 0;
  static_cast<void>(!::read(event_.get(), &wakes, sizeof wakes));
}

void Waker::close() {
  const MutexLock lock(mutex_);
  event_.close();
}

}  // namespace ossmc
