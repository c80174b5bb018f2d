// Fork gate: no thread of ours is inside a library when the process forks.
//
// A forked child has one thread, and each lock of libcurl, OpenSSL and the C library as it was at
// that moment: one that another thread held is never released there, and the child's own threads
// would wait for it for ever. So our threads pass through this gate before they call such libraries
// and leave it before they sleep, and fork() waits until nobody is inside. (pthread_atfork;
// posix_spawn and vfork do not come here, rightly.)
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace ossmc {

// Thread-safe. Made for threads that come in often and stay for milliseconds: entering and leaving
// cost an atomic operation each.
class ForkGate {
 public:
  // A fork that has waited so long goes on: better a child that may hang than a parent that does.
  static constexpr Duration kLongestWait = std::chrono::seconds(2);

  constexpr ForkGate() = default;
  ForkGate(const ForkGate&) = delete;
  ForkGate& operator=(const ForkGate&) = delete;

  // While in scope: inside. Not nested by one thread, for a fork between the two would wait.
  class Inside {
   public:
    explicit Inside(ForkGate& gate) : gate_(gate) { gate_.enter(); }
    ~Inside() { gate_.leave(); }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    ForkGate& gate_;
  };

  // While in scope: outside, to sleep. REQUIRES: the caller is inside.
  class Outside {
   public:
    explicit Outside(ForkGate& gate) : gate_(gate) { gate_.leave(); }
    ~Outside() { gate_.enter(); }
    Outside(const Outside&) = delete;
    Outside& operator=(const Outside&) = delete;

   private:
    ForkGate& gate_;
  };

  // Lets a fork that waits go ahead. REQUIRES: the caller is inside. Between pieces of long work.
  void let_fork() {
    if (forks_.load(std::memory_order_relaxed) != 0) const Outside outside(*this);
  }

  // By the thread that forks.
  // Keeps others out, and waits until nobody is inside. False: somebody still is.
  bool close(Duration limit = kLongestWait);
  void open();           // in the parent
  void open_as_child();  // in the child: who was inside is not there

 private:
  void enter();
  void leave();

  // Each side writes its own word and then looks at the other's, sequentially consistent: one of
  // the two sees the other.
  std::atomic<std::uint32_t> inside_{0};  // threads
  std::atomic<std::uint32_t> forks_{0};   // going on
};

// The process's, closed around each fork().
ForkGate& fork_gate();

}  // namespace ossmc
