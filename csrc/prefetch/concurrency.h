// ConcurrencyLevel: how many ranged requests run at once. Finds the number by trying
// (docs/decisions/0003-concurrency.md).
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace ossmc {

struct ConcurrencyOptions {
  int start = 32;  // requests at once, over all I/O threads
  int least = 2;
  int most = 32;  // not above `start`: the level is fixed
};

// A pure state machine: what happened goes in, a number comes out. Not thread-safe; the scheduler
// keeps it under its mutex.
class ConcurrencyLevel {
 public:
  explicit ConcurrencyLevel(ConcurrencyOptions options)
      : options_(options), level_(options.start), before_trial_(options.start) {}

  // What happened since the last sample.
  struct Sample {
    TimePoint now;
    std::uint64_t bytes_received = 0;  // since the beginning
    std::uint64_t throttles = 0;       // since the beginning
    bool full = false;       // all that time every slot was taken, and there was more to start
    bool cpu_bound = false;  // lately more requests could only have cost more CPU
  };
  void add(const Sample& sample);

  int level() const { return level_; }
  bool is_fixed() const { return options_.most <= options_.start; }
  // It was lowered because of throttling not long ago.
  bool is_throttled(TimePoint now) const { return now < throttled_until_; }

 private:
  bool is_trial() const { return before_trial_ != level_; }
  void on_throttle(TimePoint now);
  void judge(TimePoint now, double bytes_per_second);
  void set_level(int level, TimePoint now);

  const ConcurrencyOptions options_;

  int level_;
  int before_trial_;  // the level to go back to; level_ itself: no trial is on
  double rate_before_trial_ = 0;
  Duration wait_{};  // after the last trial, which brought nothing
  TimePoint next_trial_{};
  TimePoint settled_at_{};  // from then on the bytes are those of the present level
  TimePoint throttled_until_{};
  TimePoint may_lower_at_{};
  bool creeping_ = false;  // was throttled: up by an eighth

  TimePoint last_time_{};  // of the last sample
  std::uint64_t last_bytes_ = 0;
  std::uint64_t last_throttles_ = 0;
  Duration full_time_{};  // at the present level, and the bytes that came in it
  std::uint64_t full_bytes_ = 0;
};

}  // namespace ossmc
