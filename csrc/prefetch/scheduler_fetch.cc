// The way down and up: work handed to the I/O threads, and what became of it.
#include <algorithm>
#include <cassert>
#include <utility>

#include "prefetch/scheduler.h"

namespace ossmc {

namespace {

// While free buffers wait for reuse, an I/O thread looks this often whether they have been idle for
// too long.
constexpr Duration kTrimInterval = std::chrono::seconds(1);

// A copy out of a chunk takes a millisecond or two, and nobody tells of its end.
constexpr Duration kPinsPoll = std::chrono::milliseconds(10);

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

Exchange* Scheduler::next(int thread, const Occupancy& occupancy) noexcept {
  while (true) {
    const TimePoint now = context_.clock.now();
    slots_.measure_load(thread, now);
    bool more_slots = false;
    bool has_urgent_slot = false;
    {
      MutexLock lock(mutex_);
      more_slots = slots_.on_asked(now, load(context_.counters.bytes_received),
                                   load(context_.counters.throttles));
      has_urgent_slot = occupancy.busy < slots_.slots(thread) + kUrgentExtraSlots;
    }
    if (more_slots) wake();
    if (has_urgent_slot) {
      if (Exchange* const small = small_.take()) return small;
    }
    {
      MutexLock lock(mutex_);
      if (!has_work_locked(now)) {
        starved_ = pins_pending_ = credentials_pending_ = false;
        resume_at_ = TimePoint::max();
        note_limit_locked(thread, Limit::kIdle, now);
        return nullptr;
      }
    }
    const bool settled = context_.builder.credentials_settled();
    Pick pick;
    bool picked = false;
    FreedMemory freed;
    std::vector<StreamPtr> openers;
    {
      MutexLock lock(mutex_);
      credentials_pending_ = !settled;
      resume_at_ = TimePoint::max();
      retake_lingering_locked(&freed);
      picked = settled && pick_locked(thread, occupancy, now, &pick, &freed);
      // Memory that this left over may be enough for what another thread could not start.
      pick.wake_others =
          picked && starved_ && occupancy.busy + 1 >= slots_.slots(thread, occupancy.enough);
      openers.swap(openers_to_wake_);
    }
    for (const StreamPtr& stream : openers) stream->wake_openers();
    if (!picked) return nullptr;
    freed = {};  // back to the pool first: the next chunk takes the same warm memory
    if (pick.wake_others) wake();
    if (Exchange* const exchange = start(pick)) return exchange;
  }
}

TimePoint Scheduler::next_due() noexcept {
  TimePoint due = small_.next_due();
  pool_->trim();
  if (pool_->mapped_free_bytes() > 0) due = std::min(due, context_.clock.now() + kTrimInterval);
  MutexLock lock(mutex_);
  if (!retries_.empty()) due = std::min(due, retries_.begin()->first);
  due = std::min({due, resume_at_, slots_.next_due(context_.clock.now())});
  if (!jobs_.empty()) due = std::min(due, look_for_slow_at_);
  if (pins_pending_ || (starved_ && !lingering_.empty()))
    due = std::min(due, context_.clock.now() + kPinsPoll);
  if (credentials_pending_) due = std::min(due, context_.clock.now() + kCredentialsPoll);
  return due;
}

Exchange* Scheduler::start(Pick& pick) {
  if (pick.slow != nullptr) return start_hedge(pick);
  ChunkFetch* fetch = pick.retry;
  if (fetch == nullptr) {
    ObjectStream& stream = *pick.stream;
    ChunkSlot& slot = stream.slot(pick.index);
    // Bytes that come a second time are nobody's before they are known to be the same (CRC-64).
    const bool hidden = pick.seen.bytes > 0;
    if (pick.region_data != nullptr) {
      // If close() has given the region back just now, the fetch is cancelled before it writes.
      slot.chunk.begin_fill_at(pick.region_data, pick.length, hidden);
    } else {
      // How much of it the first request of an object brings is not known.
      Block block =
          pool_->take(pick.length, pick.is_first ? NewPages::kWhenWritten : NewPages::kNow);
      if (!block) {
        {
          MutexLock lock(mutex_);
          slot.work = ChunkSlot::Work::kNone;
          // A region that was made meanwhile counts on it.
          if (stream.plan.region != nullptr) stream.plan.region->absorb(std::move(pick.ticket));
          const Status status =
              stream.error(StatusCode::kMemoryBudget, "the system has no memory for a chunk of " +
                                                          std::to_string(pick.length) + " bytes");
          if (stream.state() == StreamState::kOpening) stream.become_failed(status);
          note_failure_locked(stream, pick.index, status);
        }
        slot.chunk.notify();
        stream.wake_openers();
        return nullptr;
      }
      slot.chunk.begin_fill(std::move(block), std::move(pick.ticket), pick.length, hidden);
    }
    auto made = std::make_unique<ChunkFetch>(context_, *this, stream.name(),
                                             pick.is_first ? nullptr : &stream.version(),
                                             slot.chunk, stream.chunk_begin(pick.index), pick.seen);
    fetch = made.get();
    MutexLock lock(mutex_);
    slot.fetch = std::move(made);
    if (pick.is_refetch) add(context_.counters.refetches);
    Job& job = jobs_[fetch];
    job.stream = pick.stream;
    job.index = pick.index;
    job.in_region = pick.region_data != nullptr;
    job.started_at = context_.clock.now();
    if (stream.is_closed()) fetch->cancel();
  }
  if (fetch->was_closed()) {
    on_finished(*fetch, Status(StatusCode::kClosed, "closed"));
    return nullptr;
  }
  if (fetch->has_tail()) {  // since it was picked
    fetch->finish_with_tail();
    return nullptr;
  }
  bool ready = false;
  const Status status = fetch->prepare(&ready);
  if (!status.is_ok()) {
    on_finished(*fetch, status);
    return nullptr;
  }
  if (!ready) {
    on_retry(*fetch, context_.clock.now() + kCredentialsPoll);
    return nullptr;
  }
  return fetch;
}

Status Scheduler::on_version(ChunkFetch& fetch, const ObjectVersion& version, ByteRange range) {
  const auto length = static_cast<std::uint32_t>(range.size());
  if (length < fetch.chunk().length()) {
    Block small;  // a small object shall not hold a large object's pages
    if (length <= fetch.chunk().length() / 2) small = pool_->take(length);
    fetch.chunk().shrink(std::move(small), length);
  }
  StreamPtr stream;
  {
    MutexLock lock(mutex_);
    stream = jobs_.at(&fetch).stream;
    if (stream->is_closed()) return Status(StatusCode::kClosed, "closed while it was opened");
    const Status status = stream->become_open(version, context_.verify_crc64);
    if (!status.is_ok()) return status;
    start_sweep_locked(*stream, 1);
  }
  stream->wake_openers();
  wake();
  return Status::ok();
}

void Scheduler::on_retry(ChunkFetch& fetch, TimePoint due) {
  bool has_tail = false;
  {
    MutexLock lock(mutex_);
    Job& job = jobs_.at(&fetch);
    const bool is_closed = job.stream->is_closed();
    has_tail = !is_closed && fetch.has_tail();  // since this request looked for one
    if (!is_closed && !has_tail) {
      job.is_parked = true;
      retries_.emplace(due, &fetch);
      return;
    }
  }
  if (has_tail) {
    fetch.finish_with_tail();
  } else {
    on_finished(fetch, Status(StatusCode::kClosed, "closed"));
  }
}

void Scheduler::on_finished(ChunkFetch& fetch, const Status& status) {
  FreedMemory freed;
  std::shared_ptr<Hedge> hedge;      // its bytes may be in use by the fetch's caller
  std::unique_ptr<ChunkFetch> done;  // destroyed last: `fetch` and `status` may live in it
  StreamPtr stream;
  Chunk* waited_for = nullptr;
  bool last_crc = false;
  bool openers_wait = false;
  bool others_may_start = false;  // in the memory of a chunk that was read as it arrived
  {
    MutexLock lock(mutex_);
    const auto found = jobs_.find(&fetch);
    Job job = std::move(found->second);
    jobs_.erase(found);
    assert(!job.is_parked);  // retries_ would go on pointing to the fetch
    end_hedge_locked(job, &hedge);
    stream = job.stream;
    ChunkSlot& slot = stream->slot(job.index);
    done = std::move(slot.fetch);
    slot.work = ChunkSlot::Work::kNone;
    if (status.is_ok()) {
      pause_.on_success();
      stream->plan.pause.on_success();
      if (slot.chunk.finish_quietly()) waited_for = &slot.chunk;
      const bool is_in_object = stream->has_chunk(job.index);
      if (is_in_object && !slot.fetched_before) {
        slot.fetched_before = true;
        slot.seen = {slot.chunk.length(), slot.chunk.writer_crc()};
        last_crc = stream->note_crc_known();
      }
      if (stream->is_closed() || !is_in_object) {
        take_locked(*stream, job.index, &freed);
      } else if (!job.in_region) {
        residency_.add(*stream, job.index);
        others_may_start = starved_ && slot.chunk.handed_out_whole();
      }
    } else {
      openers_wait = stream->state() == StreamState::kOpening;
      if (openers_wait && fetch.was_range_refused()) {
        stream->plan.range_was_refused = true;
        stream->become_needs_head();
      } else if (openers_wait) {
        stream->become_failed(status);
      }
      if (fail_chunk_locked(job, status, &freed)) waited_for = &slot.chunk;
    }
    if (stream->is_closed()) {
      if (slot.chunk.view().phase != ChunkPhase::kAbsent) lingering_.push_back(stream);
      give_up_region_locked(*stream, &freed);
    }
  }
  if (waited_for != nullptr) waited_for->notify();
  if (last_crc) stream->pass_verdict();
  if (openers_wait) stream->wake_openers();
  // Its exchange is to see that it was cancelled, or its memory is free.
  others_may_start = others_may_start || hedge != nullptr;
  hedge = nullptr;
  others_may_start = others_may_start || !freed.blocks.empty() || !freed.regions.empty();
  freed = {};  // who is woken below shall find it
  bump_memory_epoch();
  if (others_may_start) wake();
}

bool Scheduler::fail_chunk_locked(const Job& job, const Status& status, FreedMemory* freed) {
  ChunkSlot& slot = job.stream->slot(job.index);
  note_failure_locked(*job.stream, job.index, status);
  const Chunk::View view = slot.chunk.view();
  if (view.phase == ChunkPhase::kFilling && view.filled > 0)
    slot.seen = {view.filled, slot.chunk.writer_crc()};
  const bool is_waited_for = slot.chunk.fail_quietly();
  const bool is_gone = take_locked(*job.stream, job.index, freed);
  if (!is_gone && !job.in_region && !job.stream->is_closed() && job.stream->has_chunk(job.index))
    residency_.add_failed(*job.stream, job.index);
  return is_waited_for;
}

void Scheduler::note_failure_locked(ObjectStream& stream, std::uint64_t index,
                                    const Status& status) {
  ChunkSlot& slot = stream.slot(index);
  slot.last_failure = status;
  ++slot.failures;
  if (stream.is_closed()) return;
  const bool is_open = stream.state() == StreamState::kOpen;
  if (may_pass(status.code())) {
    const TimePoint now = context_.clock.now();
    const double chance = context_.random.uniform();
    pause_.on_failure(now, context_.retry, chance);
    stream.plan.pause.on_failure(now, context_.retry, chance);
    if (is_open) fetch_again_locked(stream, index);
    return;
  }
  slot.failure = status;
  if (!is_open) return;
  // Its other chunks would fail alike. A read that succeeds has them fetched ahead of it again.
  sweep_.erase(stream.sequence());
  reading_.erase(stream.sequence());
  stream.plan.reading = false;
}

void Scheduler::fetch_again_locked(ObjectStream& stream, std::uint64_t index) {
  ObjectStream::Plan& plan = stream.plan;
  if (plan.cursor < index && index < plan.ahead_next) {
    plan.ahead_next = index;
    plan.reading = true;
    reading_.emplace(stream.sequence(), &stream);
  }
  if (index < plan.sweep_next) {
    plan.sweep_next = index;
    sweep_.emplace(stream.sequence(), &stream);
  }
}

}  // namespace ossmc
