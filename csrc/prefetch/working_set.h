// WorkingSet: how much fresh memory prefetch may take while a reader goes forward. The budget is a
// ceiling above it: the first touch of memory that is not needed would cost more than all else
// (docs/decisions/0009-memory-as-a-ceiling.md).
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace ossmc {

// A pure state machine. Guarded by the scheduler's mutex, which owns it.
//
// What is in flight is as much as the line takes (docs/decisions/0003-concurrency.md). Beside it
// some bytes may lie ready that nobody has read yet, since requests end in another order than they
// are read, and readers go by bursts.
class WorkingSet {
 public:
  // Nobody has read or opened anything for so long: the program does something else.
  static constexpr Duration kQuietAfter = std::chrono::milliseconds(100);

  // `least_ready_bytes`: however little is in flight.
  explicit WorkingSet(std::uint64_t least_ready_bytes) : least_ready_bytes_(least_ready_bytes) {}

  // Somebody read a chunk to its end, waits for one, or opened an object.
  void note_use(TimePoint now) { last_use_ = now; }
  // Something that nobody waits for could have been started, but for this.
  void note_refused() { is_short_ = true; }
  // Something of that kind was started, or there is nothing of it.
  void clear_refused() { is_short_ = false; }

  // An I/O thread asks for work.
  struct Sample {
    TimePoint now;
    std::uint64_t in_flight_bytes = 0;
    bool reader_waits = false;
    bool cpu_bound = false;  // more requests could only cost more CPU
  };
  void add(const Sample& sample);

  // How much may be ready and unread before memory grows.
  std::uint64_t ready_bytes() const;
  // Nobody waits, and the program does something else: memory may grow up to the budget.
  bool is_quiet(TimePoint now) const { return !reader_waits_ && now - last_use_ >= kQuietAfter; }
  // When to look again; TimePoint::max(): nothing was refused.
  TimePoint next_due(TimePoint now) const;

 private:
  void grow_if_it_was_short();

  const std::uint64_t least_ready_bytes_;
  std::uint64_t in_flight_bytes_ = 0;
  std::uint64_t growth_percent_ = 100;
  TimePoint last_use_{};
  bool is_short_ = false;
  bool reader_waits_ = false;

  // Since the last judgement.
  TimePoint last_sample_{};
  Duration total_{};
  Duration short_{};
  Duration waited_{};
};

}  // namespace ossmc
