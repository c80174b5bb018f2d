#include "transfer/waker.h"

#include <fcntl.h>
#include <unistd.h>

namespace ossmc {

bool Waker::open() {
  if (::pipe2(ends_.data(), O_CLOEXEC | O_NONBLOCK) != 0) ends_ = {-1, -1};
  identity_ = FileIdentity(ends_[0]);
  return fd() >= 0;
}

void Waker::wake() noexcept {
  if (pending_.exchange(true)) return;  // whoever set it sees to it
  if (!sleeping_.load()) return;        // it looks at pending_ before it sleeps
  const MutexLock lock(mutex_);
  // Where somebody has closed it, the loop's thread finds out by itself.
  if (!is_open()) return;
  // Fails only when the pipe is full, and then it is readable.
  static_cast<void>(!::write(ends_[1], "", 1));
}

bool Waker::begin_sleep() {
  sleeping_.store(true);
  return pending_.load();
}

void Waker::clear_event() {
  std::array<char, 64> wakes;
  while (::read(ends_[0], wakes.data(), wakes.size()) == static_cast<ssize_t>(wakes.size())) {
  }
}

void Waker::close() {
  const MutexLock lock(mutex_);
  for (int& end : ends_) {
    if (identity_.is_of(end)) ::close(end);
    end = -1;
  }
}

bool Waker::reopen() {
  close();
  const MutexLock lock(mutex_);
  return open();
}

}  // namespace ossmc
