// LineSpeed: how long a request takes until its reply begins, and how fast one connection then
// brings bytes. It tells when it costs less to receive bytes in vain than to ask once more.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace ossmc {

// Thread-safe; figures of now, none of which depends on another (relaxed atomics).
class LineSpeed {
 public:
  // A request has brought `bytes`.
  void note(Duration first_byte, Duration whole, std::uint64_t bytes);
  // What one connection brings in the time of a round trip.
  std::uint64_t bytes_per_round_trip() const;

 private:
  // Moving averages; 0: nothing measured yet.
  std::atomic<std::int64_t> round_trip_ns_{0};
  std::atomic<std::int64_t> ns_per_mib_{0};
};

}  // namespace ossmc
