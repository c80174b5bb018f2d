#include "prefetch/scheduler.h"

#include <algorithm>
#include <utility>

namespace ossmc {

namespace {

// Urgent work may have this many connections of an I/O thread more than ordinary work: a blocked reader does not wait for
// a bulk transfer to end.
constexpr int kUrgentExtraSlots = 8;
// How soon to look again while the credentials provider has not answered; its answer wakes the threads anyway.
constexpr Duration kCredentialsPoll = std::chrono::milliseconds(20);

std::uint64_t reserve_for(std::uint64_t budget_bytes, std::uint32_t chunk_bytes) {
  const std::uint64_t reserve = std::max<std::uint64_t>(2ULL * chunk_bytes, budget_bytes / 16);
  return std::min(reserve, budget_bytes / 2);
}

}  // namespace

Scheduler::Scheduler(SchedulerOptions options, FetchContext& context, std::shared_ptr<Budget> budget, std::shared_ptr<PagePool> pool)
    : options_(options),
      context_(context),
      budget_(std::move(budget)),
      pool_(std::move(pool)),
      reserve_bytes_(reserve_for(budget_->limit_bytes(), options.chunk_bytes)),
      small_(context, options.slots_per_thread + kUrgentExtraSlots) {}

Scheduler::~Scheduler() = default;

void Scheduler::set_transport(Transport* transport) {
  transport_ = transport;
  small_.set_transport(transport);
}

std::shared_ptr<ObjectStream> Scheduler::open(ObjectName name) {
  StreamPtr stream;
  {
    MutexLock lock(mutex_);
    stream = std::make_shared<ObjectStream>(std::move(name), next_sequence_++, options_.chunk_bytes);
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

Result<std::shared_ptr<ObjectStream>> Scheduler::open_known(ObjectName name, const ObjectVersion& version) {
  StreamPtr stream;
  {
    MutexLock lock(mutex_);
    stream = std::make_shared<ObjectStream>(std::move(name), next_sequence_++, options_.chunk_bytes);
    const Status status = stream->become_open(version, context_.verify_crc64);
    if (!status.is_ok()) return status;
    if (closed_) {
      stream->become_closed();
      return stream;
    }
    streams_.emplace(stream->sequence(), stream);
    // No sweep: a worker process that inherited many readers fetches what it reads, and ahead of that, but not all.
  }
  return stream;
}

void Scheduler::complete_open(ObjectStream& stream, const Result<ObjectVersion>& version) {
  {
    MutexLock lock(mutex_);
    if (stream.state() != StreamState::kNeedsHead) return;
    Status status = version.status();
    if (status.is_ok() && version->size > 0 && stream.plan.range_was_refused) {
      status = Status(StatusCode::kProtocol, "GET " + stream.name().uri() + " was answered 416 (InvalidRange), but HEAD tells " +
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
  {
    MutexLock lock(mutex_);
    if (stream.is_closed()) return;
    close_locked(stream, &freed, &waited_for);
  }
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

void Scheduler::close_locked(ObjectStream& stream, FreedMemory* freed, std::vector<Chunk*>* waited_for) {
  const StreamPtr keep = stream.shared_from_this();
  stream.become_closed();
  streams_.erase(stream.sequence());
  reading_.erase(stream.sequence());
  sweep_.erase(stream.sequence());
  for (auto& [fetch, job] : jobs_) {
    if (job.stream.get() != &stream) continue;
    fetch->cancel();
    job.draining_bytes = job.in_region ? 0 : stream.slot(job.index).chunk.length();
    draining_bytes_.fetch_add(job.draining_bytes, std::memory_order_relaxed);
  }
  // What waits for a retry has no exchange that could see the cancel; let it come up at once.
  std::vector<ChunkFetch*> waiting;
  for (auto it = retries_.begin(); it != retries_.end();) {
    const auto job = jobs_.find(it->second);
    if (job != jobs_.end() && job->second.stream.get() == &stream) {
      waiting.push_back(it->second);
      it = retries_.erase(it);
    } else {
      ++it;
    }
  }
  for (ChunkFetch* fetch : waiting) retries_.emplace(TimePoint::min(), fetch);
  for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) {
    if (stream.slot(i).claims > 0) waited_for->push_back(&stream.slot(i).chunk);
  }
  residency_.remove_stream(stream, freed);
  if (stream.plan.region != nullptr) freed->regions.push_back(std::move(stream.plan.region));
}

void Scheduler::claim(ObjectStream& stream, std::uint64_t index) {
  FreedMemory freed;
  bool queued = false;
  {
    MutexLock lock(mutex_);
    ChunkSlot& slot = stream.slot(index);
    ++slot.claims;
    if (stream.is_closed() || slot.work != ChunkSlot::Work::kNone) return;
    ChunkPhase phase = slot.chunk.view().phase;
      // A chunk that was pinned when it failed is cleared only now.
    if (phase == ChunkPhase::kFailed && take_locked(stream, index, &freed)) phase = ChunkPhase::kAbsent;
    if (phase == ChunkPhase::kAbsent) {
      slot.failure = Status::ok();
      queue_urgent_locked(stream, index);
      queued = true;
    }
  }
  if (queued) wake();
}

void Scheduler::release_claim(ObjectStream& stream, std::uint64_t index) {
  FreedMemory freed;
  bool hungry = false;
  {
    MutexLock lock(mutex_);
    --stream.slot(index).claims;
    hungry = starved_ && stream.slot(index).claims == 0;
    retake_closed_locked(stream, index, &freed);
  }
  if (hungry) wake();
}

bool Scheduler::has_failed(ObjectStream& stream, std::uint64_t index) const {
  MutexLock lock(mutex_);
  const ChunkSlot& slot = stream.slot(index);
  return slot.work == ChunkSlot::Work::kNone && !slot.failure.is_ok();
}

bool Scheduler::was_fetched(ObjectStream& stream, std::uint64_t index) const {
  MutexLock lock(mutex_);
  return stream.slot(index).fetched_before;
}

Status Scheduler::failure_of(ObjectStream& stream, std::uint64_t index) {
  MutexLock lock(mutex_);
  const Status& failure = stream.slot(index).failure;
  return failure.is_ok() ? Status(StatusCode::kInternal, "chunk without data and without a failure") : failure;
}

void Scheduler::note_read(ObjectStream& stream, std::uint64_t index, bool consumed) {
  FreedMemory freed;
  bool look_again = false;
  {
    MutexLock lock(mutex_);
    retake_closed_locked(stream, index, &freed);
    if (stream.is_closed()) return;
    ObjectStream::Plan& plan = stream.plan;
    const std::uint64_t window = window_chunks_locked();
    if (!plan.reading || plan.ahead_next < index + 1 || plan.ahead_next > index + 1 + window) plan.ahead_next = index + 1;
    plan.cursor = index;
    if (plan.ahead_next < stream.chunk_count()) {
      plan.reading = true;
      // The window moved on: there may be something to start in it.
      look_again = reading_.emplace(stream.sequence(), &stream).second || plan.ahead_next < index + 1 + window;
    }
    if (consumed) {
      residency_.mark_consumed(stream, index);
      look_again = look_again || starved_;
    }
  }
  if (consumed) bump_memory_epoch();
  if (look_again) wake();
}

void Scheduler::retake_closed_locked(ObjectStream& stream, std::uint64_t index, FreedMemory* freed) {
  if (stream.is_closed() && stream.slot(index).work != ChunkSlot::Work::kInFlight) take_locked(stream, index, freed);
}

bool Scheduler::take_locked(ObjectStream& stream, std::uint64_t index, FreedMemory* freed) {
  Block block;
  Ticket ticket;
  if (!stream.slot(index).chunk.try_take_block(&block, &ticket)) return false;
  freed->blocks.push_back(std::move(block));
  // A region counts on the tickets of the chunks that had memory when it was made.
  if (stream.plan.region != nullptr && ticket) stream.plan.region->absorb(std::move(ticket));
  return true;
}

std::uint64_t Scheduler::memory_bytes() const {
  const std::uint64_t used = budget_->used_bytes();
  const std::uint64_t draining = draining_bytes_.load(std::memory_order_relaxed);
  return used > draining ? used - draining : 0;
}

std::string_view Scheduler::limited_by() const {
  switch (limit_.load(std::memory_order_relaxed)) {
    case Limit::kNetwork:
      return "network";
    case Limit::kMemory:
      return "memory";
    case Limit::kReader:
      return "reader";
    case Limit::kIdle:
      break;
  }
  return "idle";
}

void Scheduler::bump_memory_epoch() {
  memory_epoch_.fetch_add(1, std::memory_order_release);
  futex_wake_all(memory_epoch_);
}

Exchange* Scheduler::next(int thread, int busy) noexcept {
  if (Exchange* const small = small_.next(thread, busy)) return small;
  while (true) {
    {
      MutexLock lock(mutex_);
      if (!has_work_locked(context_.clock.now())) {
        limit_.store(busy == 0 ? Limit::kIdle : Limit::kNetwork, std::memory_order_relaxed);
        return nullptr;
      }
    }
    const bool settled = context_.builder.credentials_settled();
    Pick pick;
    FreedMemory freed;
    {
      MutexLock lock(mutex_);
      credentials_pending_ = !settled;
      if (!settled || !pick_locked(busy, context_.clock.now(), &pick, &freed)) return nullptr;
    }
    freed = {};  // back to the pool first: the next chunk takes the same warm memory
    if (Exchange* const exchange = start(pick)) return exchange;
  }
}

TimePoint Scheduler::next_due() noexcept {
  TimePoint due = small_.next_due();
  MutexLock lock(mutex_);
  if (!retries_.empty()) due = std::min(due, retries_.begin()->first);
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
    if (pick.region_data != nullptr) {
      slot.chunk.begin_fill_at(pick.region_data, length);
    } else {
      Block block = pool_->take(length);
      if (!block) {
        MutexLock lock(mutex_);
        slot.work = ChunkSlot::Work::kNone;
        slot.failure = Status(StatusCode::kMemoryBudget, "the system has no memory for a chunk of " + std::to_string(length) + " bytes");
        if (!is_open) stream.become_failed(slot.failure);
        slot.chunk.notify();
        return nullptr;
      }
      slot.chunk.begin_fill(std::move(block), std::move(pick.ticket), length);
    }
    auto made = std::make_unique<ChunkFetch>(context_, *this, stream.name(), is_open ? &stream.version() : nullptr, slot.chunk,
                                             stream.chunk_begin(pick.index));
    fetch = made.get();
    MutexLock lock(mutex_);
    slot.fetch = std::move(made);
    if (slot.fetched_before) add(context_.counters.refetches);
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

void Scheduler::on_finished(ChunkFetch& fetch, const Status& outcome) {
  FreedMemory freed;
  std::unique_ptr<ChunkFetch> done;  // destroyed last: `fetch` and `outcome` may live in it
  StreamPtr stream;
  bool last_crc = false;
  bool openers_wait = false;
  {
    Status status = outcome;
    MutexLock lock(mutex_);
    const auto found = jobs_.find(&fetch);
    const Job job = std::move(found->second);
    jobs_.erase(found);
    stream = job.stream;
    ChunkSlot& slot = stream->slot(job.index);
    done = std::move(slot.fetch);
    slot.work = ChunkSlot::Work::kNone;
    draining_bytes_.fetch_sub(job.draining_bytes, std::memory_order_relaxed);
    if (status.is_ok() && context_.verify_crc64 && slot.fetched_before && slot.crc != slot.chunk.writer_crc()) {
      status = Status(StatusCode::kChecksum, "GET " + stream->name().uri() + ": chunk " + std::to_string(job.index) +
                                                 " differs from what was fetched before (CRC-64)");
    }
    if (status.is_ok()) {
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
        stream->become_failed(status);
      }
      fail_chunk_locked(job, status, &freed);
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
