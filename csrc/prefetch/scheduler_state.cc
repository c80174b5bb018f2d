#include "prefetch/scheduler_state.h"

#include <algorithm>
#include <utility>

namespace ossmc {

namespace {

// Of what was read, so much of the budget is kept for reading again.
constexpr std::uint64_t kKeptDivisor = 4;

// Bytes round small reads take no more than this, nor than 1/8 of the budget.
constexpr std::uint64_t kMostNearbyBytes = 16u << 20;

// Whether the same request may succeed later. Else the object is gone, another, or forbidden.
bool may_pass(StatusCode code) {
  switch (code) {
    case StatusCode::kConnect:
    case StatusCode::kTransferTimeout:
    case StatusCode::kServer:
    case StatusCode::kThrottled:
    case StatusCode::kCredentials:
    case StatusCode::kMemoryBudget:
      return true;
    default:
      return false;
  }
}

}  // namespace

SchedulerState::SchedulerState(const SchedulerOptions& options_in, FetchContext& context_in,
                               std::shared_ptr<Budget> budget_in, std::shared_ptr<PagePool> pool_in)
    : options(options_in),
      context(context_in),
      budget(std::move(budget_in)),
      pool(std::move(pool_in)),
      nearby_room(
          std::make_shared<NearbyRoom>(std::min(kMostNearbyBytes, budget->limit_bytes() / 8))),
      small(context_in),
      loads(options_in.slots.threads, options_in.slots.load),
      slots(options_in.slots, loads),
      pieces(options_in.pieces.bulk_bytes),
      residency(
          {.of_object = options_in.kept_bytes, .in_all = budget->limit_bytes() / kKeptDivisor}),
      working_set(options_in.least_ready_bytes),
      admission(budget, options_in.chunk_bytes, residency, views, positions, working_set),
      ceiling(budget) {}

void SchedulerState::note_sample(TimePoint now) {
  working_set.add({.now = now,
                   .in_flight_bytes = fetches.running() * options.chunk_bytes,
                   .reader_waits = urgent.is_claimed(),
                   .cpu_bound = slots.is_cpu_bound()});
  // Several reads may share it.
  claimable_bytes.store(std::min(budget->limit_bytes() / 4, working_set.ready_bytes()),
                        std::memory_order_relaxed);
}

std::uint64_t SchedulerState::window_chunks() const {
  const auto in_flight = static_cast<std::uint64_t>(slots.total());
  const std::uint64_t most = budget->limit_bytes();
  // The limit may have moved between the two looks.
  const std::uint64_t by_memory = (most - std::min(most, admission.reserve_bytes())) /
                                  options.chunk_bytes /
                                  std::max<std::size_t>(positions.readers(), 1);
  return std::clamp<std::uint64_t>(by_memory, 1, 2 * in_flight);
}

std::uint64_t SchedulerState::window_chunks(const ObjectStream& stream) const {
  const ObjectStream::Plan& plan = stream.plan;
  const std::uint64_t window = window_chunks();
  if (!plan.is_paced) return window;
  return std::min(window,
                  std::max(plan.cursor_reads.ahead_chunks(), plan.placed_reads.ahead_chunks()));
}

void SchedulerState::note_failure(ObjectStream& stream, std::uint64_t index, const Status& status) {
  ChunkSlot& slot = stream.slot(index);
  slot.last_failure = status;
  ++slot.failures;
  if (stream.is_closed()) return;
  if (!note_pause(stream, status)) {
    slot.failure = status;
  } else if (stream.state() == StreamState::kOpen) {
    positions.fetch_again(stream, index);
  }
}

bool SchedulerState::note_success(ObjectStream& stream) {
  const TimePoint now = context.clock.now();
  const bool ends_pause = pause.on_success(now);
  return stream.plan.pause.on_success(now) || ends_pause;
}

bool SchedulerState::note_pause(ObjectStream& stream, const Status& status) {
  if (may_pass(status.code())) {
    const TimePoint now = context.clock.now();
    const double chance = context.random.uniform();
    pause.on_failure(now, context.retry, chance);
    stream.plan.pause.on_failure(now, context.retry, chance);
    return true;
  }
  // Its other chunks would fail alike. A read that succeeds has them fetched ahead of it again.
  if (stream.state() == StreamState::kOpen) positions.remove(stream);
  return false;
}

}  // namespace ossmc
