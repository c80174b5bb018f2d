#include "csrc/prefetch/schedule_call.h"

#include <chrono>

namespace ossmc {

namespace {

Duration draw_limit(ScheduleParts& parts) {
  const std::uint64_t one_in = parts.shape.short_limits_one_in;
  if (one_in == 0 || !parts.chance.one_in(one_in)) return ScheduleCall::kProgressLimit;
  return std::chrono::milliseconds(2 + parts.chance.below(parts.chance.one_in(2) ? 30 : 300));
}

bool draw_pieces(ScheduleParts& parts, ScheduleCall::What what) {
  const bool is_read = what == ScheduleCall::What::kRead || what == ScheduleCall::What::kReadRanges;
  return is_read && parts.shape.pieces_one_in != 0 &&
         parts.chance.one_in(parts.shape.pieces_one_in);
}

}  // namespace

ScheduleCall::ScheduleCall(ScheduleParts& parts, What what)
    : parts_(parts),
      what_(what),
      limit_(draw_limit(parts)),
      has_pieces_(draw_pieces(parts, what)),
      // Where threads give way, one refused before that may be told of only now.
      refusals_before_(parts.shape.kind == ScheduleKind::kGivingWay ? 0 : parts.memory.refusals()) {
  if (what_ == What::kView) ++parts_.asking_for_views;
}

ScheduleCall::~ScheduleCall() {
  if (what_ == What::kView) --parts_.asking_for_views;
}

bool ScheduleCall::pending() {
  if (parts_.judge.has_complaint()) return true;
  const std::uint64_t one_in = parts_.shape.interrupts_one_in;
  if (one_in == 0 || !parts_.chance.one_in(one_in)) return false;
  was_interrupted_ = true;
  parts_.virtual_threads.take_unwoken();
  return true;
}

bool ScheduleCall::ended(const char* name, const ObjectStream& stream, const StoredObject& object,
                         const Status& status) {
  const bool had_short_limit = limit_ < kProgressLimit;
  // Nobody wakes a caller whose time is up.
  if (status.code() == StatusCode::kTransferTimeout && had_short_limit)
    parts_.virtual_threads.take_unwoken();
  // Who waits for pieces of an object that is closed is woken when their requests have ended; he
  // may look before.
  if (status.code() == StatusCode::kClosed && has_pieces_) parts_.virtual_threads.take_unwoken();
  if (!status.is_ok()) count(status);
  return parts_.judge.outcome(name, stream, object, status,
                              {.was_interrupted = was_interrupted_,
                               .had_short_limit = had_short_limit,
                               .memory_was_refused = parts_.memory.refusals() > refusals_before_,
                               .asks_for_view = what_ == What::kView,
                               .callers_asking_for_views = parts_.asking_for_views});
}

void ScheduleCall::count(const Status& status) {
  ScheduleCounts& counts = parts_.counts;
  switch (status.code()) {
    case StatusCode::kInterrupted:
      ++counts.interrupted;
      if (what_ == What::kReadRanges) ++counts.ranges_interrupted;
      if (has_pieces_) ++counts.pieces_interrupted;
      if (what_ == What::kView) ++counts.views_interrupted;
      break;
    case StatusCode::kTransferTimeout:
      if (limit_ == kProgressLimit) break;
      ++counts.out_of_time;
      if (what_ == What::kReadRanges) ++counts.ranges_out_of_time;
      if (what_ == What::kView) ++counts.views_out_of_time;
      break;
    case StatusCode::kObjectChanged:
      ++counts.told_of_change;
      break;
    case StatusCode::kMemoryBudget:
      if (parts_.memory.refusals() > refusals_before_) ++counts.told_of_no_memory;
      break;
    case StatusCode::kConnect:
      if (counts.refused_sockets > 0) ++counts.told_of_no_socket;
      break;
    case StatusCode::kClosed:
      if (what_ == What::kView) ++counts.views_closed;
      break;
    default:
      break;
  }
}

}  // namespace ossmc
