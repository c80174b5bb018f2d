#include "prefetch/scheduler.h"

#include <algorithm>
#include <set>
#include <utility>

namespace ossmc {

namespace {

std::uint64_t reserve_for(std::uint64_t budget_bytes, std::uint32_t chunk_bytes) {
  const std::uint64_t reserve = std::max<std::uint64_t>(2ULL * chunk_bytes, budget_bytes / 16);
  return std::min(reserve, budget_bytes / 2);
}

}  // namespace

Scheduler::Scheduler(SchedulerOptions options, FetchContext& context,
                     std::shared_ptr<Budget> budget, std::shared_ptr<PagePool> pool)
    : options_(options),
      context_(context),
      budget_(std::move(budget)),
      pool_(std::move(pool)),
      reserve_bytes_(reserve_for(budget_->limit_bytes(), options.chunk_bytes)),
      small_(context),
      slots_(options.slots) {}

Scheduler::~Scheduler() = default;

void Scheduler::set_transport(Transport* transport) {
  transport_ = transport;
  small_.set_transport(transport);
}

std::shared_ptr<ObjectStream> Scheduler::open(ObjectName name) {
  StreamPtr stream;
  {
    MutexLock lock(mutex_);
    stream =
        std::make_shared<ObjectStream>(std::move(name), next_sequence_++, options_.chunk_bytes);
    if (closed_) {
      stream->become_closed();
      return stream;
    }
    streams_.emplace(stream->sequence(), stream);
    queue_urgent_locked(*stream, 0);
  }
  wake();
  return stream;
}

Result<std::shared_ptr<ObjectStream>> Scheduler::open_known(ObjectName name,
                                                            const ObjectVersion& version) {
  // No sweep: a worker process that inherited many readers fetches what it reads, and ahead of
  // that, but not all.
  return open_version(std::move(name), version, false);
}

Result<std::shared_ptr<ObjectStream>> Scheduler::open_again(const ObjectStream& suspect) {
  Result<StreamPtr> stream = open_version(suspect.name(), suspect.version(), true);
  if (!stream.is_ok()) return stream;
  add(context_.counters.refetches, suspect.chunk_count());
  return stream;
}

Result<Scheduler::StreamPtr> Scheduler::open_version(ObjectName name, const ObjectVersion& version,
                                                     bool sweep) {
  MutexLock lock(mutex_);
  auto stream =
      std::make_shared<ObjectStream>(std::move(name), next_sequence_++, options_.chunk_bytes);
  const Status status = stream->become_open(version, context_.verify_crc64);
  if (!status.is_ok()) return status;
  if (closed_) {
    stream->become_closed();
    return stream;
  }
  streams_.emplace(stream->sequence(), stream);
  if (sweep) start_sweep_locked(*stream, 0);
  return stream;
}

void Scheduler::complete_open(ObjectStream& stream, const Result<ObjectVersion>& version) {
  {
    MutexLock lock(mutex_);
    if (stream.state() != StreamState::kNeedsHead) return;
    Status status = version.status();
    if (status.is_ok() && version->size > 0 && stream.plan.range_was_refused) {
      status =
          Status(StatusCode::kProtocol, "GET " + stream.name().uri() +
                                            " was answered 416 (InvalidRange), but HEAD tells " +
                                            std::to_string(version->size) + " bytes");
    }
    if (status.is_ok()) status = stream.become_open(*version, context_.verify_crc64);
    if (status.is_ok()) {
      start_sweep_locked(stream, 0);
    } else {
      stream.become_failed(status);
    }
  }
  stream.wake_openers();
  wake();
}

void Scheduler::close(ObjectStream& stream) {
  FreedMemory freed;
  std::vector<Chunk*> waited_for;
  std::vector<ChunkFetch*> parked;
  {
    MutexLock lock(mutex_);
    if (stream.is_closed()) return;
    close_locked(stream, &freed, &waited_for, &parked);
  }
  for (ChunkFetch* fetch : parked) on_finished(*fetch, Status(StatusCode::kClosed, "closed"));
  freed = {};  // who is woken below shall find it
  for (Chunk* chunk : waited_for) chunk->notify();
  stream.wake_openers();
  stream.wake_verdict_waiters();
  bump_memory_epoch();
  wake();  // to cancel what is in flight, and to use the memory
}

void Scheduler::close_all() {
  std::vector<StreamPtr> streams;
  {
    MutexLock lock(mutex_);
    closed_ = true;
    for (auto& [sequence, stream] : streams_) streams.push_back(stream);
  }
  for (const StreamPtr& stream : streams) close(*stream);
  small_.close();
}

void Scheduler::close_locked(ObjectStream& stream, FreedMemory* freed,
                             std::vector<Chunk*>* waited_for, std::vector<ChunkFetch*>* parked) {
  const StreamPtr keep = stream.shared_from_this();
  stream.become_closed();
  streams_.erase(stream.sequence());
  if (streams_.empty()) reads_jump_ = false;
  reading_.erase(stream.sequence());
  sweep_.erase(stream.sequence());
  for (const auto& [fetch, job] : jobs_) {
    if (job.stream.get() == &stream) fetch->cancel();
  }
  for (auto& [hedge, job] : hedges_) {
    if (job.stream.get() == &stream) hedge->cancel();
  }
  // What waits for a retry has no exchange that could see the cancel.
  for (auto it = retries_.begin(); it != retries_.end();) {
    Job& job = jobs_.at(it->second);
    if (job.stream.get() == &stream) {
      job.is_parked = false;  // whoever closes ends it, and no second request
      parked->push_back(it->second);
      it = retries_.erase(it);
    } else {
      ++it;
    }
  }
  for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) {
    if (stream.slot(i).claims > 0) waited_for->push_back(&stream.slot(i).chunk);
  }
  if (residency_.remove_stream(stream, freed) > 0) lingering_.push_back(keep);
  give_up_region_locked(stream, freed);
}

void Scheduler::give_up_region_locked(ObjectStream& stream, FreedMemory* freed) {
  if (stream.plan.region == nullptr) return;
  for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) {
    const ChunkSlot& slot = stream.slot(i);
    // An exchange that has not seen its cancel writes there, or a reader copies.
    if (slot.in_region && slot.chunk.view().phase != ChunkPhase::kAbsent) return;
  }
  freed->regions.push_back(std::move(stream.plan.region));
}

// Closed streams of which somebody copied: what he has left, if nobody else took it.
void Scheduler::retake_lingering_locked(FreedMemory* freed) {
  std::vector<std::weak_ptr<ObjectStream>> still_copied;
  for (std::weak_ptr<ObjectStream>& weak : lingering_) {
    StreamPtr stream = weak.lock();
    if (stream == nullptr) continue;
    if (residency_.remove_stream(*stream, freed) != 0) still_copied.push_back(std::move(weak));
    give_up_region_locked(*stream, freed);
    freed->streams.push_back(std::move(stream));
  }
  lingering_ = std::move(still_copied);
}

std::uint32_t Scheduler::claim(ObjectStream& stream, std::uint64_t index) {
  FreedMemory freed;
  bool queued = false;
  std::uint32_t failures = 0;
  {
    MutexLock lock(mutex_);
    ChunkSlot& slot = stream.slot(index);
    ++slot.claims;
    failures = slot.failures;
    if (stream.is_closed() || slot.work != ChunkSlot::Work::kNone) return failures;
    ChunkPhase phase = slot.chunk.view().phase;
    // A chunk that was pinned when it failed is cleared only now; while it still is, that failure
    // is also this reader's.
    if (phase == ChunkPhase::kFailed) {
      if (!take_locked(stream, index, &freed)) return failures - 1;
      residency_.forget(stream, index);
      phase = ChunkPhase::kAbsent;
    }
    if (phase == ChunkPhase::kAbsent) {
      slot.failure = Status::ok();
      queue_urgent_locked(stream, index);
      queued = true;
    }
  }
  if (queued) wake();
  return failures;
}

bool Scheduler::try_claim_ahead(ObjectStream& stream, std::uint64_t index,
                                std::uint32_t* failures) {
  {
    MutexLock lock(mutex_);
    ChunkSlot& slot = stream.slot(index);
    if (stream.is_closed() || slot.work != ChunkSlot::Work::kNone ||
        slot.chunk.view().phase != ChunkPhase::kAbsent)
      return false;
    ++slot.claims;
    *failures = slot.failures;
    slot.failure = Status::ok();
    queue_urgent_locked(stream, index);
  }
  wake();
  return true;
}

void Scheduler::release_claim(ObjectStream& stream, std::uint64_t index) {
  FreedMemory freed;
  bool hungry = false;
  bool view_waits = false;
  {
    MutexLock lock(mutex_);
    --stream.slot(index).claims;
    const bool is_last = stream.slot(index).claims == 0;
    hungry = starved_ && is_last;
    view_waits = !view_turns_.empty() && is_last;
    retake_closed_locked(stream, index, &freed);
  }
  freed = {};  // who is woken finds it
  if (view_waits) bump_memory_epoch();
  if (hungry) wake();
}

void Scheduler::retake_closed(ObjectStream& stream, std::uint64_t index) {
  FreedMemory freed;
  MutexLock lock(mutex_);
  retake_closed_locked(stream, index, &freed);
}

bool Scheduler::was_fetched(ObjectStream& stream, std::uint64_t index) const {
  MutexLock lock(mutex_);
  return stream.slot(index).fetched_before;
}

bool Scheduler::is_same_chunk(ObjectStream& one, ObjectStream& other, std::uint64_t index) const {
  MutexLock lock(mutex_);
  const ChunkSlot& a = one.slot(index);
  const ChunkSlot& b = other.slot(index);
  return a.fetched_before && b.fetched_before && a.seen.crc == b.seen.crc;
}

Status Scheduler::failure_since(ObjectStream& stream, std::uint64_t index,
                                std::uint32_t failures) const {
  MutexLock lock(mutex_);
  const ChunkSlot& slot = stream.slot(index);
  return slot.failures == failures ? Status::ok() : slot.last_failure;
}

void Scheduler::note_read(ObjectStream& stream, std::uint64_t index, bool consumed) {
  FreedMemory freed;
  bool look_again = false;
  {
    MutexLock lock(mutex_);
    if (stream.is_closed()) return;  // I/O threads take back what is left
    ObjectStream::Plan& plan = stream.plan;
    const std::uint64_t window = window_chunks_locked();
    if (!plan.reading || plan.ahead_next < index + 1 || plan.ahead_next > index + 1 + window)
      plan.ahead_next = index + 1;
    plan.cursor = index;
    if (plan.ahead_next < stream.chunk_count()) {
      plan.reading = true;
      // The window moved on: there may be something to start in it.
      look_again = reading_.emplace(stream.sequence(), &stream).second ||
                   plan.ahead_next < index + 1 + window;
    }
    if (consumed) {
      residency_.mark_consumed(stream, index);
      look_again = look_again || starved_;
    }
  }
  if (consumed) bump_memory_epoch();
  if (look_again) wake();
}

void Scheduler::retake_closed_locked(ObjectStream& stream, std::uint64_t index,
                                     FreedMemory* freed) {
  if (!stream.is_closed() || stream.slot(index).work == ChunkSlot::Work::kInFlight) return;
  take_locked(stream, index, freed);
  give_up_region_locked(stream, freed);
}

bool Scheduler::take_locked(ObjectStream& stream, std::uint64_t index, FreedMemory* freed) {
  Block block;
  Ticket ticket;
  if (!stream.slot(index).chunk.try_take_block(&block, &ticket)) return false;
  freed->blocks.push_back(std::move(block));
  // A region counts on the tickets of the chunks that had memory when it was made.
  if (stream.plan.region != nullptr && !stream.is_closed()) {
    if (ticket.bytes() > stream.chunk_length(index)) ticket.shrink_to(stream.chunk_length(index));
    stream.plan.region->absorb(std::move(ticket));
  }
  return true;
}

std::uint64_t Scheduler::memory_bytes() const {
  MutexLock lock(mutex_);
  // Fetches of closed readers hold theirs until their cancel has come through.
  std::uint64_t draining = 0;
  std::set<const ViewRegion*> regions;
  for (const auto& [fetch, job] : jobs_) {
    if (!job.stream->is_closed()) continue;
    // One that has ended, and whose bytes the fetch has yet to take.
    if (job.hedge != nullptr && !hedges_.contains(job.hedge.get()))
      draining += job.hedge->ticket_bytes();
    const ViewRegion* const region = job.stream->plan.region.get();
    if (!job.in_region) {
      draining += job.stream->slot(job.index).chunk.ticket_bytes();
    } else if (region != nullptr && job.stream->plan.region.use_count() == 1 &&
               regions.insert(region).second) {
      draining += region->ticket_bytes();
    }
  }
  for (const auto& [hedge, job] : hedges_) {
    if (job.stream->is_closed()) draining += hedge->ticket_bytes();
  }
  const std::uint64_t used = budget_->used_bytes();
  return used > draining ? used - draining : 0;
}

std::string_view Scheduler::limited_by() const {
  switch (limit_.load(std::memory_order_relaxed)) {
    case Limit::kNetwork:
    case Limit::kPause:
      return "network";
    case Limit::kMemory:
      return "memory";
    case Limit::kReader:
      return "reader";
    case Limit::kCpu:
      return "cpu";
    case Limit::kThrottle:
      return "throttle";
    case Limit::kIdle:
      break;
  }
  return "idle";
}

bool Scheduler::is_paused() const {
  MutexLock lock(mutex_);
  return pause_.is_on(context_.clock.now());
}

void Scheduler::bump_memory_epoch() {
  memory_epoch_.fetch_add(1);
  if (memory_waiters_.load() > 0) futex_wake_all(memory_epoch_);
}

void Scheduler::wait_for_memory(std::uint32_t epoch, Duration limit) {
  memory_waiters_.fetch_add(1);
  futex_wait(memory_epoch_, epoch, limit);
  memory_waiters_.fetch_sub(1);
}

}  // namespace ossmc
