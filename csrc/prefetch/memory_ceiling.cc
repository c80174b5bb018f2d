#include "prefetch/memory_ceiling.h"

#include <algorithm>

namespace ossmc {

namespace {

// Of the limit, a step; a try in vain costs a system call and what was evicted for it.
constexpr std::uint64_t kStepDivisor = 8;

}  // namespace

void MemoryCeiling::lower(std::uint64_t least_bytes, TimePoint now) {
  const std::uint64_t limit = std::max(budget_->used_bytes(), least_bytes);
  if (limit < budget_->limit_bytes()) budget_->set_limit(limit);
  step_ = std::max(limit / kStepDivisor, least_bytes);
  due_ = now + kRaiseInterval;
}

bool MemoryCeiling::is_stuck(TimePoint now) {
  if (due_ == TimePoint::max()) return false;
  if (stuck_at_ == TimePoint::max()) stuck_at_ = now + kStuckAfter;
  return now >= stuck_at_;
}

bool MemoryCeiling::raise(TimePoint now) {
  if (now < due_) return false;
  const std::uint64_t limit = budget_->limit_bytes() + step_;
  budget_->set_limit(limit);
  step_ *= 2;
  due_ = now + kRaiseInterval;
  if (budget_->limit_bytes() >= limit) return true;
  // The whole budget is allowed again.
  budget_->set_limit(UINT64_MAX);
  due_ = stuck_at_ = TimePoint::max();
  return true;
}

}  // namespace ossmc
