// TurnOrder: whom a turn of the event loop serves when several sockets are ready.
//
// Remembers only when all were served last. I/O thread only.
//
// A thread that is slower than its network always finds all its sockets ready. If it served each in
// turn, each chunk would grow a little at a time, and the receive buffers and the memory being
// filled (pages of 2 MiB, which the kernel has just cleared where they are new) would have left the
// caches before their turn came again. So it serves whom somebody waits for, and of the others the
// one that began first: it ends soonest, and its bytes are what a reader needs next. The rest waits
// in the kernel's buffers, none of it for longer than an interval, so that the stall watch
// sees nobody stand still whom this thread let stand.
//
// A thread that leaves several behind at each turn gains nothing from more requests: what they
// bring fills the kernel's buffers, and once these are full, it is this thread's receiving that
// makes the kernel send on, in its time. Both are measured in docs/performance.md, "Tried".
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/clock.h"

namespace ossmc {

struct ReadySocket {
  int socket = -1;
  std::uint32_t events = 0;    // epoll's
  bool at_once = true;         // no exchange's, still connecting, or awaited
  std::uint64_t sequence = 0;  // of its exchange: smaller began earlier
};

class TurnOrder {
 public:
  // With one there is not always something to do while the next request is on its way; what waits
  // besides two leaves the caches meanwhile.
  static constexpr std::size_t kBehind = 2;
  static constexpr Duration kServeAllInterval = std::chrono::milliseconds(100);

  // Short enough that nobody whom this thread let wait stalls.
  static constexpr Duration interval_for(Duration stall_timeout) {
    return std::min<Duration>(kServeAllInterval, stall_timeout / 4);
  }

  explicit TurnOrder(Duration serve_all_interval = kServeAllInterval)
      : serve_all_interval_(serve_all_interval) {}

  // Brings those to serve now to the front, in the order to serve them, and returns how many.
  std::size_t choose(std::span<ReadySocket> ready, TimePoint now);
  // Of the last choice: kBehind or more could not be served at once. (When all are served because
  // it is time to, those are counted too.)
  bool is_behind() const { return left_ >= kBehind; }

 private:
  const Duration serve_all_interval_;
  std::size_t left_ = 0;
  TimePoint serve_all_due_{};
};

}  // namespace ossmc
