// StallWatch: finds the exchanges that have all but stopped.
//
// Pure: the caller samples each exchange once a period() and then asks which ones stalled. I/O
// thread only.
//
// An exchange stalled when its mean rate over the last `timeout` is below 16 KiB/s and below half
// the mean of the others in its thread: on a slow line that all share nobody is blamed. Below
// 64 B/s it stalled whatever the others do, since then they all stand still.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.h"

namespace ossmc {

// Bytes of one exchange over the last `timeout`.
class Progress {
 public:
  static constexpr int kPeriods = 16;

  void restart(TimePoint now, std::uint64_t bytes = 0);
  void sample(TimePoint now, std::uint64_t bytes);

  // From the oldest sample kept to the newest.
  Duration window() const;
  // Bytes a second over window(); 0 when that is empty.
  double rate() const;

 private:
  struct Sample {
    TimePoint time{};
    std::uint64_t bytes = 0;
  };
  const Sample& oldest() const;

  std::array<Sample, kPeriods + 1> ring_{};
  std::size_t count_ = 0;  // samples taken since restart(); the newest is at (count_ - 1) % size
};

class StallWatch {
 public:
  static constexpr double kSlowRate = 16.0 * 1024;  // bytes a second
  static constexpr double kDeadRate = 64.0;

  // REQUIRES: timeout > 0.
  explicit StallWatch(Duration timeout);

  Duration period() const { return timeout_ / Progress::kPeriods; }
  // A sample that comes this late says that the process stood still, not the network: restart.
  Duration late() const { return timeout_ / 2; }
  // Writes the indices of the stalled ones into `stalled`.
  void find(std::span<const Progress* const> all, std::vector<std::size_t>& stalled) const;

 private:
  const Duration timeout_;
};

}  // namespace ossmc
