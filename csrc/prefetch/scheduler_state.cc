#include "prefetch/scheduler_state.h"

#include <algorithm>
#include <utility>

namespace ossmc {

namespace {

// Of what was read, so much of the budget is kept for reading again.
constexpr std::uint64_t kKeptDivisor = 4;

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
      small(context_in),
      loads(options_in.slots.threads, options_in.slots.load),
      slots(options_in.slots, loads),
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

void SchedulerState::note_failure(ObjectStream& stream, std::uint64_t index, const Status& status) {
  ChunkSlot& slot = stream.slot(index);
  slot.last_failure = status;
  ++slot.failures;
  if (stream.is_closed()) return;
  const bool is_open = stream.state() == StreamState::kOpen;
  if (may_pass(status.code())) {
    const TimePoint now = context.clock.now();
    const double chance = context.random.uniform();
    pause.on_failure(now, context.retry, chance);
    stream.plan.pause.on_failure(now, context.retry, chance);
    if (is_open) positions.fetch_again(stream, index);
    return;
  }
  slot.failure = status;
  // Its other chunks would fail alike. A read that succeeds has them fetched ahead of it again.
  if (is_open) positions.remove(stream);
}

}  // namespace ossmc
