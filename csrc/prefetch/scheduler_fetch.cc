// The way down and up: work handed to the I/O threads, and what became of it.
#include <algorithm>
#include <utility>

#include "prefetch/scheduler.h"

namespace ossmc {

namespace {

// While free buffers wait for reuse, an I/O thread looks this often whether they have been idle for
// too long.
constexpr Duration kTrimInterval = std::chrono::seconds(1);

}  // namespace

Exchange* Scheduler::next(int thread, int busy) noexcept {
  while (true) {
    const TimePoint now = context_.clock.now();
    slots_.measure_load(thread, now);
    bool more_slots = false;
    bool has_urgent_slot = false;
    {
      MutexLock lock(mutex_);
      more_slots = slots_.on_asked(now, load(context_.counters.bytes_received),
                                   load(context_.counters.throttles));
      has_urgent_slot = busy < slots_.slots(thread) + kUrgentExtraSlots;
    }
    if (more_slots) wake();
    if (has_urgent_slot) {
      if (Exchange* const small = small_.take()) return small;
    }
    {
      MutexLock lock(mutex_);
      if (!has_work_locked(now)) {
        note_limit_locked(thread, Limit::kIdle, now);
        return nullptr;
      }
    }
    const bool settled = context_.builder.credentials_settled();
    Pick pick;
    FreedMemory freed;
    {
      MutexLock lock(mutex_);
      credentials_pending_ = !settled;
      if (!settled || !pick_locked(thread, busy, now, &pick, &freed)) return nullptr;
    }
    freed = {};  // back to the pool first: the next chunk takes the same warm memory
    if (Exchange* const exchange = start(pick)) return exchange;
  }
}

TimePoint Scheduler::next_due() noexcept {
  TimePoint due = small_.next_due();
  pool_->trim();
  if (pool_->mapped_free_bytes() > 0) due = std::min(due, context_.clock.now() + kTrimInterval);
  MutexLock lock(mutex_);
  if (!retries_.empty()) due = std::min(due, retries_.begin()->first);
  due = std::min(due, slots_.next_due(context_.clock.now()));
  if (credentials_pending_) due = std::min(due, context_.clock.now() + kCredentialsPoll);
  return due;
}

Exchange* Scheduler::start(Pick& pick) {
  ChunkFetch* fetch = pick.retry;
  if (fetch == nullptr) {
    ObjectStream& stream = *pick.stream;
    ChunkSlot& slot = stream.slot(pick.index);
    const bool is_open = stream.state() == StreamState::kOpen;
    const std::uint32_t length = is_open ? stream.chunk_length(pick.index) : stream.chunk_bytes();
    // Bytes that come a second time are nobody's before they are known to be the same (CRC-64).
    const bool hidden = pick.is_refetch && context_.verify_crc64;
    if (pick.region_data != nullptr) {
      slot.chunk.begin_fill_at(pick.region_data, length, hidden);
    } else {
      Block block = pool_->take(length);
      if (!block) {
        MutexLock lock(mutex_);
        slot.work = ChunkSlot::Work::kNone;
        slot.failure =
            Status(StatusCode::kMemoryBudget,
                   "the system has no memory for a chunk of " + std::to_string(length) + " bytes");
        if (!is_open) stream.become_failed(slot.failure);
        slot.chunk.notify();
        return nullptr;
      }
      slot.chunk.begin_fill(std::move(block), std::move(pick.ticket), length, hidden);
    }
    auto made = std::make_unique<ChunkFetch>(context_, *this, stream.name(),
                                             is_open ? &stream.version() : nullptr, slot.chunk,
                                             stream.chunk_begin(pick.index));
    fetch = made.get();
    MutexLock lock(mutex_);
    slot.fetch = std::move(made);
    if (pick.is_refetch) add(context_.counters.refetches);
    jobs_.emplace(fetch, Job{pick.stream, pick.index, pick.region_data != nullptr, 0});
    if (stream.is_closed()) fetch->cancel();
  }
  if (fetch->cancelled()) {
    on_finished(*fetch, Status(StatusCode::kClosed, "closed"));
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
  MutexLock lock(mutex_);
  retries_.emplace(due, &fetch);
}

void Scheduler::on_finished(ChunkFetch& fetch, const Status& status) {
  FreedMemory freed;
  std::unique_ptr<ChunkFetch> done;  // destroyed last: `fetch` and `status` may live in it
  StreamPtr stream;
  bool last_crc = false;
  bool openers_wait = false;
  {
    Status result = status;
    MutexLock lock(mutex_);
    const auto found = jobs_.find(&fetch);
    const Job job = std::move(found->second);
    jobs_.erase(found);
    stream = job.stream;
    ChunkSlot& slot = stream->slot(job.index);
    done = std::move(slot.fetch);
    slot.work = ChunkSlot::Work::kNone;
    draining_bytes_.fetch_sub(job.draining_bytes, std::memory_order_relaxed);
    if (result.is_ok() && context_.verify_crc64 && slot.fetched_before &&
        slot.crc != slot.chunk.writer_crc()) {
      ErrorDetail detail;
      detail.uri = stream->name().uri();
      result = Status(StatusCode::kChecksum,
                      "GET " + printable(detail.uri) + ": chunk " + std::to_string(job.index) +
                          " differs from what was fetched before (CRC-64)",
                      detail);
    }
    if (result.is_ok()) {
      slot.chunk.finish();
      if (!slot.fetched_before) {
        slot.fetched_before = true;
        slot.crc = slot.chunk.writer_crc();
        last_crc = stream->note_crc_known();
      }
      if (stream->is_closed()) {
        retake_closed_locked(*stream, job.index, &freed);
      } else if (!job.in_region) {
        residency_.add(*stream, job.index);
      }
    } else {
      openers_wait = stream->state() == StreamState::kOpening;
      if (openers_wait && fetch.was_range_refused()) {
        stream->plan.range_was_refused = true;
        stream->become_needs_head();
      } else if (openers_wait) {
        stream->become_failed(result);
      }
      fail_chunk_locked(job, result, &freed);
    }
  }
  if (last_crc) stream->pass_verdict();
  if (openers_wait) stream->wake_openers();
  bump_memory_epoch();
  if (!freed.blocks.empty()) wake();
}

void Scheduler::fail_chunk_locked(const Job& job, const Status& status, FreedMemory* freed) {
  ChunkSlot& slot = job.stream->slot(job.index);
  slot.failure = status;
  slot.chunk.fail();
  take_locked(*job.stream, job.index, freed);
}

}  // namespace ossmc
