// Waker: ends the sleep of an event loop, from any thread.
//
// A pipe that the loop waits for among its sockets, and is written to only while the loop may
// sleep. Shared by the thread that has the loop and those who wake it, who may come late.
#pragma once

#include <array>
#include <atomic>

#include "base/file_identity.h"
#include "base/mutex.h"

namespace ossmc {

class Waker {
 public:
  Waker() { open(); }
  ~Waker() { close(); }
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  // --- by any thread ---
  void wake() noexcept;

  // --- by who has the loop ---
  // Readable while it is to wake up. Negative: the system gave none, or it was closed.
  int fd() const { return ends_[0]; }
  // False: somebody else has closed it, and the number may be another's.
  bool is_open() const { return identity_.is_of(ends_[0]) && identity_.is_of(ends_[1]); }
  // True: somebody has called wake() since the last take(); do not sleep.
  bool begin_sleep();
  void end_sleep() { sleeping_.store(false); }
  void clear_event();  // when fd() was readable
  // Whether somebody has called wake() since the last take().
  bool take() { return pending_.exchange(false); }
  void close();
  // A new one in place of one that somebody else has closed. False: the system gave none.
  bool reopen();

 private:
  bool open();

  // A pipe, which has an identity; an eventfd has none. Set by the loop's thread; under the mutex
  // for others, who write to it: its number may be another's once it is closed.
  std::array<int, 2> ends_{-1, -1};
  FileIdentity identity_;
  Mutex mutex_;

  // Atomic, sequentially consistent: a waker sets pending_ and then looks at sleeping_, the thread
  // sets sleeping_ and then looks at pending_, and at least one of them sees the other.
  std::atomic<bool> pending_{false};
  std::atomic<bool> sleeping_{false};
};

}  // namespace ossmc
