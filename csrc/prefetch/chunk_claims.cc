#include "prefetch/chunk_claims.h"

namespace ossmc {

// Of what a call has received already another request may begin now; else it is received next.
bool ChunkClaims::is_in_piece(ChunkSlot& slot) {
  if (slot.piece == nullptr) return false;
  if (!slot.piece->has_ended) {
    state_.pieces.hurry(*slot.piece);
    return true;
  }
  slot.leave_piece();
  return false;
}

std::uint32_t ChunkClaims::claim(ObjectStream& stream, std::uint64_t index, bool* in_piece) {
  FreedMemory freed;
  std::uint32_t failures = 0;
  bool is_elsewhere = false;
  {
    MutexLock lock(state_.mutex);
    ChunkSlot& slot = stream.slot(index);
    state_.note_use();
    state_.urgent.claim(stream, index);
    failures = slot.failures;
    is_elsewhere = is_in_piece(slot);
    if (!is_elsewhere) {
      if (stream.is_closed() || slot.work != ChunkSlot::Work::kNone) return failures;
      ChunkPhase phase = slot.chunk.view().phase;
      // A chunk that was pinned when it failed is cleared only now; while it still is, that failure
      // is also this reader's. One that was given up has none.
      if (phase == ChunkPhase::kFailed) {
        if (!take_chunk(stream, index, &freed)) return slot.was_given_up ? failures : failures - 1;
        state_.residency.forget(stream, index);
        phase = ChunkPhase::kAbsent;
      }
      if (phase != ChunkPhase::kAbsent) return failures;
      if (slot.chunk.handed_out_whole()) state_.residency.note_read_again(stream);
      state_.urgent.add(stream, index);
    }
  }
  if (in_piece != nullptr) *in_piece = is_elsewhere;
  state_.wake();
  return failures;
}

bool ChunkClaims::try_claim_ahead(ObjectStream& stream, std::uint64_t index,
                                  std::uint32_t* failures) {
  {
    MutexLock lock(state_.mutex);
    ChunkSlot& slot = stream.slot(index);
    if (stream.is_closed() || slot.work != ChunkSlot::Work::kNone ||
        slot.chunk.view().phase != ChunkPhase::kAbsent)
      return false;
    state_.urgent.claim(stream, index);
    *failures = slot.failures;
    state_.urgent.add(stream, index);
  }
  state_.wake();
  return true;
}

void ChunkClaims::release(ObjectStream& stream, std::span<const std::uint64_t> indices) {
  FreedMemory freed;
  bool frees_memory = false;
  bool view_waits = false;
  {
    MutexLock lock(state_.mutex);
    for (const std::uint64_t index : indices) {
      const bool was_in_line = stream.slot(index).work == ChunkSlot::Work::kUrgent;
      const bool is_last = state_.urgent.release(stream, index);
      // What is behind it in line, or may be given up from now on, may start something.
      frees_memory = frees_memory || (is_last && (was_in_line || state_.admission.is_starved()));
      view_waits = view_waits || (is_last && state_.views.somebody_waits());
      take_of_closed(stream, index, &freed);
    }
  }
  freed = {};  // who is woken finds it
  if (view_waits) state_.memory_signal.move();
  if (frees_memory) state_.wake();
}

void ChunkClaims::note_read(ObjectStream& stream, std::uint64_t index, bool consumed,
                            bool by_cursor) {
  bool look_again = false;
  {
    MutexLock lock(state_.mutex);
    if (stream.is_closed()) return;  // I/O threads take back what is left
    state_.note_use();
    const std::uint64_t begin = stream.chunk_begin(index);
    ObjectStream::Plan& plan = stream.plan;
    if (plan.reads(by_cursor).on_chunk_read(begin, begin + stream.chunk_length(index))) {
      plan.cursor_reads.forgive_jumps();
      plan.placed_reads.forgive_jumps();
      look_again = state_.positions.resume_sweep(stream);
    }
    look_again =
        state_.positions.note_read(stream, index, state_.window_chunks(stream)) || look_again;
    if (consumed) {
      state_.residency.mark_consumed(stream, index);
      state_.budget->set_consumed_bytes(state_.residency.consumed_bytes());
      look_again = look_again || state_.admission.is_starved();
    }
  }
  if (consumed) state_.memory_signal.move();
  if (look_again) state_.wake();
}

void ChunkClaims::note_reached(ObjectStream& stream, std::uint64_t index) {
  bool look_again = false;
  {
    MutexLock lock(state_.mutex);
    if (stream.is_closed()) return;
    state_.note_use();
    look_again = state_.positions.note_read(stream, index, state_.window_chunks(stream));
  }
  if (look_again) state_.wake();
}

void ChunkClaims::retake_closed(ObjectStream& stream, std::uint64_t index) {
  FreedMemory freed;
  MutexLock lock(state_.mutex);
  take_of_closed(stream, index, &freed);
}

void ChunkClaims::take_of_closed(ObjectStream& stream, std::uint64_t index, FreedMemory* freed) {
  if (!stream.is_closed() || stream.slot(index).work == ChunkSlot::Work::kInFlight) return;
  take_chunk(stream, index, freed);
  take_region(stream, freed);
}

bool ChunkClaims::was_fetched(ObjectStream& stream, std::uint64_t index) const {
  MutexLock lock(state_.mutex);
  return stream.slot(index).fetched_before;
}

bool ChunkClaims::is_same_chunk(ObjectStream& one, ObjectStream& other, std::uint64_t index) const {
  MutexLock lock(state_.mutex);
  const ChunkSlot& a = one.slot(index);
  const ChunkSlot& b = other.slot(index);
  return a.fetched_before && b.fetched_before && a.seen.crc == b.seen.crc;
}

Status ChunkClaims::failure_since(ObjectStream& stream, std::uint64_t index,
                                  std::uint32_t failures) const {
  MutexLock lock(state_.mutex);
  const ChunkSlot& slot = stream.slot(index);
  return slot.failures == failures ? Status::ok() : slot.last_failure;
}

Status ChunkClaims::look_again(ObjectStream& stream, std::uint64_t index, std::uint32_t failures,
                               bool* asked) {
  *asked = false;
  FreedMemory freed;
  {
    MutexLock lock(state_.mutex);
    ChunkSlot& slot = stream.slot(index);
    if (slot.failures != failures && !slot.last_failure.is_ok()) return slot.last_failure;
    if (stream.is_closed() || slot.claims == 0 || is_in_piece(slot) ||
        slot.work != ChunkSlot::Work::kNone)
      return Status::ok();
    if (slot.chunk.view().phase == ChunkPhase::kFailed && take_chunk(stream, index, &freed))
      state_.residency.forget(stream, index);
    if (slot.chunk.view().phase != ChunkPhase::kAbsent) return Status::ok();
    state_.urgent.add_claimed(stream, index);
    *asked = true;
  }
  state_.wake();
  return Status::ok();
}

}  // namespace ossmc
