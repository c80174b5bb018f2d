#include "prefetch/views.h"

#include <string>
#include <utility>

namespace ossmc {

namespace {

// What the object's chunks hold of the budget that its region need not.
std::uint64_t bytes_of_chunks(ObjectStream& stream) {
  std::uint64_t bytes = 0;
  for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) {
    const ChunkSlot& slot = stream.slot(i);
    const ChunkPhase phase = slot.chunk.view().phase;
    const bool holds = phase == ChunkPhase::kReady || phase == ChunkPhase::kFilling ||
                       phase == ChunkPhase::kFailed || slot.work == ChunkSlot::Work::kInFlight;
    if (holds) bytes += stream.chunk_length(i);
  }
  return bytes;
}

}  // namespace

std::uint64_t Views::take_turn() {
  MutexLock lock(state_.mutex);
  return state_.views.take_turn();
}

bool Views::give_up_for(std::uint64_t bytes) {
  FreedMemory freed;
  bool gave_up = false;
  {
    MutexLock lock(state_.mutex);
    gave_up = state_.admission.give_up(bytes, &freed);
  }
  freed = {};
  const bool released = state_.pool->release_idle();
  if (gave_up) state_.note_memory();
  return gave_up || released;
}

void Views::give_up_turn(std::uint64_t turn) {
  {
    MutexLock lock(state_.mutex);
    state_.views.end_turn(turn);
  }
  state_.note_memory();
}

Status Views::try_reserve(ObjectStream& stream, std::uint64_t turn,
                          const std::shared_ptr<ViewRegion>& fresh, ViewAnswer* answer,
                          std::shared_ptr<ViewRegion>* region) {
  *answer = ViewAnswer::kNoMemory;
  FreedMemory freed;
  {
    MutexLock lock(state_.mutex);
    if (stream.is_closed()) return closed_status();
    if (stream.plan.region == nullptr) {
      const std::uint64_t used = state_.budget->view_bytes();
      const std::uint64_t limit = state_.budget->limit_bytes();
      if (stream.size() > limit || used > limit - stream.size()) {
        return stream.error(StatusCode::kMemoryBudget,
                            "getbuffer of " + printable(stream.name().uri()) + " needs " +
                                std::to_string(stream.size()) + " bytes, views hold " +
                                std::to_string(used) + " of the budget of " +
                                std::to_string(limit) +
                                " bytes: read it in pieces (chunks(), readinto), release views, "
                                "or raise prefetch.memoryBytes");
      }
      if (!state_.views.is_first(turn)) return Status::ok();
      Ticket ticket =
          state_.admission.for_region(stream, stream.size() - bytes_of_chunks(stream), &freed);
      if (!ticket) {
        if (state_.residency.take_met_pins()) *answer = ViewAnswer::kCopied;
        return Status::ok();
      }
      fresh->absorb(std::move(ticket));
      state_.views.add(stream, fresh);
      state_.arrivals.note_whole(stream);
    }
    claim_all(stream);
    *region = stream.plan.region;
    state_.views.use(**region);
    state_.budget->set_view_bytes(state_.views.used_bytes());
    state_.views.end_turn(turn);
    // What failed before is asked for again at once: somebody else may be waiting for it.
    for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) {
      const ChunkSlot& slot = stream.slot(i);
      if (!slot.failure.is_ok() && slot.work == ChunkSlot::Work::kNone &&
          slot.chunk.view().phase == ChunkPhase::kAbsent)
        state_.urgent.add(stream, i);
    }
    state_.positions.read_whole(stream);
    *answer = ViewAnswer::kReserved;
  }
  state_.note_memory();  // it is the next one's turn
  return Status::ok();
}

bool Views::move_into_region(ObjectStream& stream, std::uint64_t index) {
  ChunkSlot& slot = stream.slot(index);
  std::shared_ptr<ViewRegion> region;
  Block block;
  Ticket ticket;
  {
    MutexLock lock(state_.mutex);
    region = stream.plan.region;
    if (region == nullptr || slot.in_region) return true;  // closed, or there already
    if (!slot.chunk.try_begin_move(&block, &ticket)) return false;
    slot.in_region = true;
    state_.residency.forget(stream, index);
  }
  std::byte* const home = region->data() + stream.chunk_begin(index);
  if (block) std::move(block).move_pages_to(home, slot.chunk.length());
  slot.chunk.finish_move(home);
  // Its block was larger.
  const bool frees_some = ticket.bytes() > slot.chunk.length();
  if (frees_some) ticket.shrink_to(slot.chunk.length());
  {
    MutexLock lock(state_.mutex);
    region->absorb(std::move(ticket));
  }
  if (frees_some) state_.note_memory();
  return true;
}

std::shared_ptr<ViewRegion> Views::region_of(ObjectStream& stream) const {
  MutexLock lock(state_.mutex);
  return stream.plan.region;
}

std::shared_ptr<ViewRegion> Views::finish(ObjectStream& stream, std::shared_ptr<ViewRegion> region,
                                          bool is_filled) {
  {
    MutexLock lock(state_.mutex);
    release_all(stream);
  }
  if (!is_filled) {
    end_use(std::move(region), &stream);
    return nullptr;
  }
  state_.note_memory();
  ViewRegion* const bytes = region.get();
  return {bytes, [this, region = std::move(region)](ViewRegion*) mutable {
            end_use(std::move(region), nullptr);
          }};
}

void Views::claim_all(ObjectStream& stream) {
  for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) state_.urgent.claim(stream, i);
}

void Views::release_all(ObjectStream& stream) {
  for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) state_.urgent.release(stream, i);
}

void Views::end_use(std::shared_ptr<ViewRegion> region, ObjectStream* unfilled) {
  {
    MutexLock lock(state_.mutex);
    state_.views.end_use(*region);
    state_.budget->set_view_bytes(state_.views.used_bytes());
    // Nobody waits for the rest. A reader that goes on has it read ahead again.
    if (unfilled != nullptr && !state_.views.is_used(*region))
      state_.positions.end_reading(*unfilled);
  }
  region = nullptr;  // of a closed object: its memory goes, and who is woken finds it
  state_.note_memory();
}

}  // namespace ossmc
