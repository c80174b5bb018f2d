#include "prefetch/scheduler.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace ossmc {

namespace {

// While free buffers wait for reuse, an I/O thread looks this often whether they have been idle for
// too long.
constexpr Duration kTrimInterval = std::chrono::seconds(1);

// A copy out of a chunk takes a millisecond or two, and nobody tells of its end.
constexpr Duration kPinsPoll = std::chrono::milliseconds(10);

// Nor of the end of whatever keeps what is to be given up.
constexpr Duration kExcessPoll = std::chrono::milliseconds(10);

// What others who share the budget want of it.
void give_up_excess(SchedulerState& state) {
  const std::uint64_t excess = state.budget->excess_bytes();
  if (excess == 0) return;
  FreedMemory freed;
  {
    MutexLock lock(state.mutex);
    if (!state.admission.give_up(excess, &freed)) return;
    state.budget->set_consumed_bytes(state.residency.consumed_bytes());
  }
  freed = {};
  state.pool->release_idle();  // for others: their pools cannot use it
  state.budget->tell_given_up();
}

}  // namespace

Scheduler::Scheduler(const SchedulerOptions& options, FetchContext& context,
                     std::shared_ptr<Budget> budget, std::shared_ptr<PagePool> pool)
    : state_(options, context, std::move(budget), std::move(pool)),
      objects_(state_, *this),
      claims_(state_),
      views_(state_),
      pieces_(state_, *this),
      whole_objects_(state_, *this),
      picker_(state_),
      starter_(state_, *this),
      fetch_end_(state_, objects_) {}

Scheduler::~Scheduler() = default;

void Scheduler::set_transport(Transport* transport) {
  state_.transport = transport;
  state_.small.set_transport(transport);
}

std::uint64_t Scheduler::memory_bytes() const {
  MutexLock lock(state_.mutex);
  // Fetches of closed readers hold theirs until their cancel has come through.
  const std::uint64_t draining = state_.fetches.draining_bytes(state_.views);
  const std::uint64_t used = state_.budget->used_bytes();
  return used > draining ? used - draining : 0;
}

std::string_view Scheduler::limited_by() const {
  return limit_name(state_.limit.load(std::memory_order_relaxed));
}

ArrivedBytes Scheduler::arrived() const {
  MutexLock lock(state_.mutex);
  return state_.arrivals.look(state_.streams, state_.fetches);
}

bool Scheduler::is_paused() const {
  MutexLock lock(state_.mutex);
  return state_.pause.is_on(state_.context.clock.now());
}

Exchange* Scheduler::next(int thread, const Occupancy& occupancy) noexcept {
  give_up_excess(state_);
  while (true) {
    const TimePoint now = state_.context.clock.now();
    state_.loads.measure(thread, now);
    bool more_slots = false;
    bool has_urgent_slot = false;
    bool more_memory = false;
    {
      MutexLock lock(state_.mutex);
      more_slots = state_.slots.on_asked(now, load(state_.context.counters.bytes_received),
                                         load(state_.context.counters.throttles));
      more_memory = state_.ceiling.raise(now);
      state_.note_sample(now);
      has_urgent_slot = occupancy.busy < state_.slots.slots(thread) + Picker::kUrgentExtraSlots;
      state_.budget->set_consumed_bytes(state_.residency.consumed_bytes());
    }
    if (more_memory) state_.memory_signal.move();
    if (more_slots || more_memory) state_.wake();
    if (has_urgent_slot) {
      if (Exchange* const small = state_.small.take()) return small;
    }
    {
      MutexLock lock(state_.mutex);
      if (!picker_.has_work(now)) {
        state_.admission.set_starved(false);
        state_.working_set.clear_refused();
        state_.pins_pending = state_.credentials_pending = false;
        state_.memory_poll.store(0, std::memory_order_relaxed);
        state_.resume_at = TimePoint::max();
        picker_.note_limit(thread, Limit::kIdle, now);
        return nullptr;
      }
    }
    const bool settled = state_.context.builder.credentials_settled();
    Pick pick;
    bool picked = false;
    bool wake_others = false;
    FreedMemory freed;
    std::vector<std::shared_ptr<ObjectStream>> heads;
    {
      MutexLock lock(state_.mutex);
      state_.credentials_pending = !settled;
      // A thread that met the pause may not have asked yet when to come back; this one may have no
      // slot for what was held up.
      wake_others = state_.resume_at <= now;
      if (wake_others) state_.resume_at = TimePoint::max();
      state_.leftovers.take(&freed);
      picked = settled && picker_.pick(thread, occupancy, now, &pick, &freed);
      // Memory that this left over may be enough for what another thread could not start.
      if (picked && state_.admission.is_starved() &&
          occupancy.busy + 1 >= state_.slots.slots(thread, occupancy.enough))
        wake_others = true;
      heads.swap(state_.heads_to_ask);
    }
    freed = {};  // back to the pool first: the next chunk takes the same warm memory
    const bool asks_heads = !heads.empty();
    objects_.ask_heads(std::move(heads));
    if (wake_others) state_.wake();
    if (!picked && !asks_heads) {
      state_.memory_poll.store(state_.budget->tell_lack().count(), std::memory_order_relaxed);
      return nullptr;
    }
    if (!picked) continue;
    if (Exchange* const exchange = starter_.start(pick)) return exchange;
  }
}

TimePoint Scheduler::next_due() noexcept {
  TimePoint due = state_.small.next_due();
  state_.pool->trim();
  const TimePoint now = state_.context.clock.now();
  if (state_.pool->mapped_free_bytes() > 0) due = std::min(due, now + kTrimInterval);
  MutexLock lock(state_.mutex);
  due = std::min({due, state_.fetches.next_due(), state_.fetches.look_at(), state_.resume_at,
                  state_.slots.next_due(now), state_.working_set.next_due(now)});
  if (state_.pins_pending || (state_.admission.is_starved() && !state_.leftovers.empty()))
    due = std::min(due, now + kPinsPoll);
  // Who waits may have what the system has got back meanwhile.
  if (!state_.urgent.empty()) due = std::min(due, state_.ceiling.due());
  if (state_.credentials_pending) due = std::min(due, now + kCredentialsPoll);
  const Duration memory_poll(state_.memory_poll.load(std::memory_order_relaxed));
  if (memory_poll > Duration::zero()) due = std::min(due, now + memory_poll);
  if (state_.budget->excess_bytes() > 0) due = std::min(due, now + kExcessPoll);
  return due;
}

Status Scheduler::on_version(ChunkFetch& fetch, const ObjectVersion& version, ByteRange range) {
  std::shared_ptr<ObjectStream> stream;
  std::shared_ptr<Piece> piece;
  {
    MutexLock lock(state_.mutex);
    const FetchBook::Entry& entry = state_.fetches.at(fetch);
    stream = entry.stream;
    piece = entry.piece;
  }
  if (piece != nullptr) {
    const Status status = whole_objects_.take_version(*piece, version, range);
    if (status.is_ok()) fetch.set_is_part(!piece->is_whole());
    return status;
  }
  if (range.size() < std::min<std::uint64_t>(state_.options.chunk_bytes, version.size)) {
    // Little was asked for, for want of memory. It is open when these bytes are dropped: who would
    // claim its first chunk before, would hold others while that is not in line.
    fetch.drop_bytes();
    return Status::ok();
  }
  Result<ChunkTable::Index> index = index_for(stream->name(), stream->chunk_bytes(), version);
  if (!index.is_ok()) return index.status();
  const auto length = static_cast<std::uint32_t>(range.size());
  Chunk& chunk = stream->slot(0).chunk;
  if (length < chunk.length()) {
    Block small;  // a small object shall not hold a large object's pages
    if (state_.pool->block_bytes(length) < state_.pool->block_bytes(chunk.length()))
      small = state_.pool->take(length);
    chunk.shrink(std::move(small), length);
  }
  {
    MutexLock lock(state_.mutex);
    if (stream->is_closed()) return Status(StatusCode::kClosed, "closed while it was opened");
    stream->become_open(version, std::move(index).value(), state_.context.verify_crc64);
    state_.positions.start_sweep(*stream, 1);
    state_.arrivals.note_whole(*stream);
  }
  stream->wake_openers();
  state_.wake();
  return Status::ok();
}

std::optional<std::string> Scheduler::on_reply(ChunkFetch& fetch, const ObjectVersion& told) {
  std::shared_ptr<ObjectStream> stream;
  std::optional<std::string> difference;
  bool is_first = false;
  {
    MutexLock lock(state_.mutex);
    stream = state_.fetches.at(fetch).stream;
    is_first = stream->learnt()->told() == nullptr;
    difference = stream->learn(told);
  }
  if (is_first) stream->verification.wake();
  return difference;
}

void Scheduler::on_retry(ChunkFetch& fetch, TimePoint due) {
  {
    MutexLock lock(state_.mutex);
    FetchBook::Entry& entry = state_.fetches.at(fetch);
    // A hedge may have been whole since this request looked for one.
    if (!entry.stream->is_closed() && !fetch.cancelled()) {
      state_.fetches.park(entry, due);
      return;
    }
    if (entry.stream->is_closed()) fetch.cancel();
  }
  if (fetch.is_given_up()) {
    on_finished(fetch, Status(StatusCode::kClosed, "closed"));
  } else if (!fetch.finish_with_hedge()) {
    on_retry(fetch, due);
  }
}

void Scheduler::on_finished(ChunkFetch& fetch, const Status& status) {
  fetch_end_.finish(fetch, status);
}

void Scheduler::on_hedge_ended(ChunkFetch& fetch, bool whole) {
  const bool is_parked = fetch_end_.finish_hedge(fetch, whole);
  if (is_parked && !fetch.finish_with_hedge()) on_retry(fetch, state_.context.clock.now());
}

}  // namespace ossmc
