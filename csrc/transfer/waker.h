// Waker: ends the sleep of an event loop, from any thread.
//
// An eventfd that the loop waits for among its sockets, and is written to only while the loop may
// sleep. Shared by the thread that has the loop and those who wake it, who may come late.
#pragma once

#include <atomic>

#include "base/mutex.h"
#include "transfer/socket_watch.h"

namespace ossmc {

class Waker {
 public:
  Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  // --- by any thread ---
  void wake() noexcept;

  // --- by who has the loop ---
  // Readable while it is to wake up. Negative: the system gave none, or it was closed.
  int fd() const { return event_.get(); }
  // True: somebody has called wake() since the last take(); do not sleep.
  bool begin_sleep();
  void end_sleep() { sleeping_.store(false); }
  void clear_event();  // when fd() was readable
  // Whether somebody has called wake() since the last take().
  bool take() { return pending_.exchange(false); }
  void close();

 private:
  // Set by the loop's thread; under the mutex for others, who write to it: its number may be
  // another's once it is closed.
  Descriptor event_;
  Mutex mutex_;

  // Atomic, sequentially consistent: a waker sets pending_ and then looks at sleeping_, the thread
  // sets sleeping_ and then looks at pending_, and at least one of them sees the other.
  std::atomic<bool> pending_{false};
  std::atomic<bool> sleeping_{false};
};

}  // namespace ossmc
