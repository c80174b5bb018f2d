// Clock: the only source of time. Production code takes a Clock&; tests pass one they move by hand.
#pragma once

#include <chrono>
#include <cstdint>

namespace ossmc {

using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// Thread-safe. Must outlive everything that was given it.
class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic; for durations and deadlines.
  virtual TimePoint now() const = 0;
  // Seconds since 1970-01-01 UTC; for signatures and expiry of credentials.
  virtual double unix_seconds() const = 0;
};

// The machine's clocks. One instance for the process.
const Clock& system_clock();

inline Duration seconds_to_duration(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace ossmc
