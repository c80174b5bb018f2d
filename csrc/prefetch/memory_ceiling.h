// MemoryCeiling: memory that the system refused, as a lower limit of the budget.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "memory/budget.h"

namespace ossmc {

// Guarded by the scheduler's mutex, which owns it. After a refusal the limit is what was used then,
// so that what comes next waits for memory of ours instead of asking in vain. From there it rises
// in steps, each twice the last: the system may have more later.
class MemoryCeiling {
 public:
  static constexpr Duration kRaiseInterval = std::chrono::seconds(1);
  // Who has been woken for a chunk has it by then.
  static constexpr Duration kStuckAfter = std::chrono::milliseconds(100);

  explicit MemoryCeiling(std::shared_ptr<Budget> budget) : budget_(std::move(budget)) {}

  // The system has no more than what is used now. `least_bytes` stay allowed: who then gets none is
  // told so, and does not wait for ever.
  void lower(std::uint64_t least_bytes, TimePoint now);
  // A step up, if it is time. True: there is more than before: who waits for memory is to be told.
  bool raise(TimePoint now);
  // Nothing is in flight, and the first in line gets no memory. True: so it has been for a while,
  // under a limit that was lowered. Reads may wait for each other then: each holds chunks that it
  // does not get to before another one comes.
  bool is_stuck(TimePoint now);
  void note_start() { stuck_at_ = TimePoint::max(); }
  // When to look again; TimePoint::max(): the limit is not lowered.
  TimePoint due() const { return std::min(due_, stuck_at_); }

 private:
  const std::shared_ptr<Budget> budget_;
  std::uint64_t step_ = 0;
  TimePoint due_ = TimePoint::max();       // for a step up
  TimePoint stuck_at_ = TimePoint::max();  // from then on, if nothing starts before
};

}  // namespace ossmc
