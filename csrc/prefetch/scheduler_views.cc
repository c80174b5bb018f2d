// Memory for views of whole objects: reserved at once, first come first served.
#include <algorithm>
#include <set>

#include "prefetch/scheduler.h"

namespace ossmc {

std::uint64_t Scheduler::take_view_turn() {
  MutexLock lock(mutex_);
  const std::uint64_t turn = next_view_turn_++;
  view_turns_.push_back(turn);
  return turn;
}

void Scheduler::give_up_view_turn(std::uint64_t turn) {
  {
    MutexLock lock(mutex_);
    std::erase(view_turns_, turn);
  }
  bump_memory_epoch();
  wake();
}

Status Scheduler::try_reserve_view(ObjectStream& stream, std::uint64_t turn,
                                   const std::shared_ptr<ViewRegion>& fresh, ViewAnswer* answer) {
  *answer = ViewAnswer::kNoMemory;
  FreedMemory freed;
  {
    MutexLock lock(mutex_);
    if (stream.is_closed()) return closed_status();
    std::uint64_t held_by_chunks = 0;
    for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) {
      const ChunkSlot& slot = stream.slot(i);
      const ChunkPhase phase = slot.chunk.view().phase;
      const bool holds = phase == ChunkPhase::kReady || phase == ChunkPhase::kFilling ||
                         phase == ChunkPhase::kFailed || slot.work == ChunkSlot::Work::kInFlight;
      if (holds) held_by_chunks += stream.chunk_length(i);
    }
    if (stream.plan.region == nullptr) {
      const std::uint64_t views = view_bytes_locked(&freed);
      if (views + stream.size() > budget_->limit_bytes()) {
        return stream.error(StatusCode::kMemoryBudget,
                            "getbuffer of " + printable(stream.name().uri()) + " needs " +
                                std::to_string(stream.size()) + " bytes, views hold " +
                                std::to_string(views) + " of the budget of " +
                                std::to_string(budget_->limit_bytes()) +
                                " bytes: release views or raise prefetch.memoryBytes");
      }
      if (view_turns_.empty() || view_turns_.front() != turn) return Status::ok();
      for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) ++stream.slot(i).claims;
      Ticket ticket;
      while (!(ticket = Ticket::try_take(budget_, stream.size() - held_by_chunks))) {
        if (residency_.evict_consumed(&freed) || drop_idle_region_locked(&freed) ||
            evict_unread_locked(&stream, &freed))
          continue;
        for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) --stream.slot(i).claims;
        if (residency_.take_met_pins()) *answer = ViewAnswer::kCopied;
        return Status::ok();
      }
      fresh->absorb(std::move(ticket));
      stream.plan.region = fresh;
      regions_.push_back(fresh);
    } else {
      for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) ++stream.slot(i).claims;
    }
    std::erase(view_turns_, turn);
    // What failed before is asked for again at once: somebody else may be waiting for it.
    for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) {
      ChunkSlot& slot = stream.slot(i);
      if (slot.failure.is_ok() || slot.chunk.view().phase != ChunkPhase::kAbsent) continue;
      slot.failure = Status::ok();
      if (slot.work == ChunkSlot::Work::kNone) queue_urgent_locked(stream, i);
    }
    stream.plan.reading = true;
    stream.plan.ahead_next = 0;
    reading_.emplace(stream.sequence(), &stream);
    *answer = ViewAnswer::kReserved;
  }
  bump_memory_epoch();  // it is the next one's turn
  wake();
  return Status::ok();
}

bool Scheduler::move_into_region(ObjectStream& stream, std::uint64_t index) {
  ChunkSlot& slot = stream.slot(index);
  std::shared_ptr<ViewRegion> region;
  Block block;
  Ticket ticket;
  {
    MutexLock lock(mutex_);
    region = stream.plan.region;
    if (region == nullptr || slot.in_region) return true;  // closed, or there already
    if (!slot.chunk.try_begin_move(&block, &ticket)) return false;
    slot.in_region = true;
    residency_.forget(stream, index);
  }
  std::byte* const home = region->data() + stream.chunk_begin(index);
  if (block) std::move(block).move_pages_to(home, slot.chunk.length());
  slot.chunk.finish_move(home);
  // A small object's first chunk had memory for a whole one.
  const bool frees_some = ticket.bytes() > slot.chunk.length();
  if (frees_some) ticket.shrink_to(slot.chunk.length());
  {
    MutexLock lock(mutex_);
    region->absorb(std::move(ticket));
  }
  if (frees_some) note_memory_released();
  return true;
}

std::shared_ptr<ViewRegion> Scheduler::region_of(ObjectStream& stream) const {
  MutexLock lock(mutex_);
  return stream.plan.region;
}

void Scheduler::finish_view(ObjectStream& stream) {
  {
    MutexLock lock(mutex_);
    for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) --stream.slot(i).claims;
  }
  bump_memory_epoch();
  wake();
}

void Scheduler::note_memory_released() {
  bump_memory_epoch();
  wake();
}

std::uint64_t Scheduler::view_bytes_locked(FreedMemory* freed) const {
  // A closed object keeps its region until nobody writes to it or reads from it any more.
  std::set<const ObjectStream*> closed;
  for (const auto& [fetch, job] : jobs_) {
    if (job.stream->is_closed()) closed.insert(job.stream.get());
  }
  for (const std::weak_ptr<ObjectStream>& weak : lingering_) {
    freed->streams.push_back(weak.lock());
    if (freed->streams.back() != nullptr) closed.insert(freed->streams.back().get());
  }
  std::uint64_t bytes = 0;
  for (const std::weak_ptr<ViewRegion>& weak : regions_) {
    const std::shared_ptr<ViewRegion> region = weak.lock();
    if (region == nullptr) continue;
    long owners = region.use_count() - 1;
    for (const auto& [sequence, stream] : streams_) {
      if (stream->plan.region == region) --owners;
    }
    for (const ObjectStream* const stream : closed) {
      if (stream->plan.region == region) --owners;
    }
    if (owners > 0) bytes += region->size();
  }
  return bytes;
}

bool Scheduler::drop_idle_region_locked(FreedMemory* freed) {
  if (regions_.empty()) return false;
  std::erase_if(regions_, [](const std::weak_ptr<ViewRegion>& region) { return region.expired(); });
  for (auto& [sequence, stream] : streams_) {
    std::shared_ptr<ViewRegion>& region = stream->plan.region;
    if (region == nullptr || region.use_count() > 1) continue;
    bool idle = true;
    for (std::uint64_t i = 0; i < stream->chunk_count() && idle; ++i) {
      const ChunkSlot& slot = stream->slot(i);
      idle = slot.claims == 0 && slot.work == ChunkSlot::Work::kNone && slot.chunk.view().pins == 0;
      if (slot.chunk.view().pins > 0) residency_.note_met_pins();
    }
    // A reader may pin a chunk between the look above and the take below; such a chunk keeps the
    // region.
    for (std::uint64_t i = 0; i < stream->chunk_count() && idle; ++i) {
      const Chunk& chunk = stream->slot(i).chunk;
      if (chunk.view().phase == ChunkPhase::kAbsent) continue;
      idle = take_locked(*stream, i, freed);  // which may have a block of its own still
      if (!idle) continue;
      residency_.forget(*stream, i);
      if (!chunk.handed_out_whole()) sweep_again_locked(*stream, i);
    }
    if (!idle) continue;
    const Ticket ticket = region->take_ticket();  // dropped here: its bytes are free now
    freed->regions.push_back(std::move(region));
    region = nullptr;
    return true;
  }
  return false;
}

}  // namespace ossmc
