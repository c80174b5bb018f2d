// EnoughRequests: with how many exchanges in progress a thread would have all it can take in.
//
// Pure: told of the exchanges in progress, of their ends and of the bytes. I/O thread only.
//
// TurnOrder serves the exchange that began first. Where the thread is slower than its network, that
// one then gets about all that its connection brings, and the others what time is left over: the
// bytes of all, divided by its bytes, while it is the oldest, are the number of such connections
// that the thread can empty. (One that was nearly done when it came to be the oldest says little:
// as many are taken together as bring half a reply.) Where the network is the limit all get alike,
// and the quotient grows with every exchange that is begun. Twice the quotient, for connections
// differ and a pause of one must not leave the thread idle; and besides, those whose reply is still
// on its way: the rate of the thread times the time to a first byte, in exchanges. More than that
// cost CPU and bring nothing (docs/decisions/0003-concurrency.md). Whether the thread is the limit
// at all is for others to say: where it is not, replies that are small and unequally late would
// make this too few.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "transfer/exchange.h"

namespace ossmc {

class EnoughRequests {
 public:
  // `received` here and below: bytes that the thread has taken in since it began, all exchanges
  // together; `bytes`: those of the one exchange.
  //
  // Of those in progress this one began first. Heeded when it is another one than before.
  void on_oldest(std::uint64_t sequence, std::uint64_t bytes, std::uint64_t received,
                 TimePoint now);
  // An exchange has had its whole reply. `first_byte`: from its start to the first byte.
  void on_whole(std::uint64_t sequence, std::uint64_t bytes, Duration first_byte,
                std::uint64_t received, TimePoint now);

  // For Occupancy::enough.
  int count() const { return count_; }

 private:
  static constexpr std::size_t kFirstBytes = 16;

  Duration least_first_byte() const;

  // The exchange that began first, 0: none yet, and how things stood when it came to be that.
  std::uint64_t oldest_ = 0;
  std::uint64_t oldest_bytes_ = 0;
  std::uint64_t received_ = 0;
  TimePoint since_{};

  // Of those that were the oldest since the last time that something was learnt.
  double own_bytes_ = 0;
  double all_bytes_ = 0;
  double seconds_ = 0;

  // Means that forget; 0: none yet.
  double connections_ = 0;
  double bytes_per_second_ = 0;
  double exchange_bytes_ = 0;
  std::array<Duration, kFirstBytes> first_bytes_{};
  std::size_t first_byte_count_ = 0;
  int count_ = Occupancy::kNotKnown;
};

}  // namespace ossmc
