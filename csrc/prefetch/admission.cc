#include "prefetch/admission.h"

#include <algorithm>
#include <utility>

namespace ossmc {

namespace {

// What the chunk's block holds beyond the chunk, if it may go.
std::uint64_t room_of(ObjectStream& stream, std::uint64_t index, Residency& residency) {
  const ChunkSlot& slot = stream.slot(index);
  const Chunk::View view = slot.chunk.view();
  const std::uint64_t length = stream.chunk_length(index);
  if ((view.phase != ChunkPhase::kReady && view.phase != ChunkPhase::kFailed) || slot.claims > 0 ||
      slot.chunk.ticket_bytes() <= length)
    return 0;
  if (view.pins > 0) residency.note_met_pins();
  return view.pins > 0 ? 0 : slot.chunk.ticket_bytes() - length;
}

// Nobody waits for a chunk of it, fetches one or copies from one.
bool is_idle(ObjectStream& stream, Residency& residency) {
  for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) {
    const ChunkSlot& slot = stream.slot(i);
    if (slot.chunk.view().pins > 0) {
      residency.note_met_pins();
      return false;
    }
    if (slot.claims > 0 || slot.work != ChunkSlot::Work::kNone) return false;
  }
  return true;
}

}  // namespace

Admission::Admission(std::shared_ptr<Budget> budget, std::uint32_t chunk_bytes,
                     Residency& residency, ViewMemory& views, Positions& positions,
                     WorkingSet& working_set)
    : budget_(std::move(budget)),
      chunk_bytes_(chunk_bytes),
      residency_(residency),
      views_(views),
      positions_(positions),
      working_set_(working_set) {}

std::uint64_t Admission::reserve_bytes() const {
  const std::uint64_t limit = budget_->limit_bytes();
  return std::min(std::max<std::uint64_t>(2ULL * chunk_bytes_, limit / 16), limit / 2);
}

Ticket Admission::for_reader(std::uint64_t bytes, FreedMemory* freed) {
  return take({.bytes = bytes, .goes = Residency::Goes::kUnreadToo, .gathers = true}, freed);
}

Ticket Admission::for_open(std::uint64_t bytes, bool may_evict_unread, FreedMemory* freed) {
  return take({.bytes = bytes,
               .goes = may_evict_unread ? Residency::Goes::kUnreadToo : Residency::Goes::kConsumed},
              freed);
}

Ticket Admission::for_ahead(ObjectStream& stream, std::uint64_t bytes, bool may_evict_unread,
                            TimePoint now, FreedMemory* freed) {
  const std::uint64_t share =
      working_set_.ready_bytes() / std::max<std::size_t>(positions_.readers(), 1);
  return take({.bytes = bytes,
               .keep_free = reserve_bytes(),
               .goes = may_evict_unread ? Residency::Goes::kUnreadToo : Residency::Goes::kConsumed,
               .may_grow = stream.plan.unread_bytes <= share || working_set_.is_quiet(now),
               .except = &stream},
              freed);
}

Ticket Admission::for_sweep(std::uint64_t bytes, TimePoint now, FreedMemory* freed) {
  const bool may_grow =
      residency_.unread_bytes() <= working_set_.ready_bytes() || working_set_.is_quiet(now);
  return take({.bytes = bytes,
               .keep_free = reserve_bytes(),
               .goes = Residency::Goes::kSpare,
               .may_grow = may_grow},
              freed);
}

Ticket Admission::for_objects(std::uint64_t bytes, FreedMemory* freed) {
  return take({.bytes = bytes, .keep_free = reserve_bytes()}, freed);
}

Ticket Admission::for_hedge(std::uint64_t bytes, bool is_awaited) const {
  return Ticket::try_take(budget_, bytes, is_awaited ? 0 : reserve_bytes());
}

Ticket Admission::for_region(ObjectStream& stream, std::uint64_t bytes, FreedMemory* freed) {
  while (true) {
    Ticket ticket = Ticket::try_take(budget_, bytes);
    if (ticket) return ticket;
    if (residency_.evict_consumed(&stream, freed) || drop_idle_region(freed) ||
        evict_unread(&stream, freed))
      continue;
    const std::uint64_t missing = bytes - std::min(bytes, budget_->free_bytes());
    const std::uint64_t evicted = evict_for_room(stream, missing, freed);
    if (evicted == 0) {
      budget_->note_lack(MemoryNeed::kView, bytes);
      return ticket;
    }
    bytes += evicted;
  }
}

bool Admission::sweep_has_room() const {
  const std::uint64_t room = budget_->free_bytes() + residency_.consumed_bytes();
  return !reads_jump_ || room >= chunk_bytes_ + reserve_bytes() + jump_bytes();
}

Ticket Admission::take(const Wanted& wanted, FreedMemory* freed) {
  // What was read and is spare serves again before fresh memory does.
  const std::uint64_t used = budget_->used_bytes();
  bool has_grown = false;
  while (!has_grown && budget_->used_bytes() + wanted.bytes > used)
    has_grown = !residency_.evict_spare(freed);
  if (has_grown && !wanted.may_grow) {
    working_set_.note_refused();
    is_starved_ = true;
    return {};
  }
  while (true) {
    Ticket ticket = Ticket::try_take(budget_, wanted.bytes, wanted.keep_free);
    if (ticket) return ticket;
    // A blocked read gathers memory. Others give up nothing in vain: the sweep would fetch it
    // again, only for it to go again.
    const std::uint64_t needed = wanted.bytes + wanted.keep_free;
    const std::uint64_t missing = needed - std::min(needed, budget_->free_bytes());
    const bool may_have_it =
        wanted.gathers || residency_.can_free(missing, wanted.goes, wanted.except);
    const bool kept_stays = wanted.goes == Residency::Goes::kSpare;
    if (may_have_it &&
        (kept_stays ? residency_.evict_spare(freed) : residency_.evict_consumed(nullptr, freed)))
      continue;
    if (drop_idle_region(freed)) continue;
    if (may_have_it && wanted.goes == Residency::Goes::kUnreadToo &&
        evict_unread(wanted.except, freed)) {
      if (wanted.keep_free > 0) reads_jump_ = true;
      continue;
    }
    working_set_.clear_refused();  // the budget is why
    is_starved_ = true;
    const bool is_read = wanted.keep_free == 0 || wanted.goes == Residency::Goes::kUnreadToo;
    budget_->note_lack(is_read ? MemoryNeed::kRead : MemoryNeed::kAhead, wanted.bytes);
    return ticket;
  }
}

bool Admission::give_up(std::uint64_t bytes, FreedMemory* freed) {
  const std::uint64_t before = budget_->used_bytes();
  while (before - std::min(before, budget_->used_bytes()) < bytes &&
         (residency_.evict_consumed(nullptr, freed) || drop_idle_region(freed) ||
          evict_unread(nullptr, freed))) {
  }
  return budget_->used_bytes() < before;
}

void Admission::note_gone(ObjectStream& stream, std::uint64_t index) {
  residency_.forget(stream, index);
  if (stream.slot(index).chunk.handed_out_whole()) return;
  positions_.sweep_again(stream, index);
  is_starved_ = true;
}

bool Admission::evict_unread(const ObjectStream* except, FreedMemory* freed) {
  ObjectStream* stream = nullptr;
  std::uint64_t index = 0;
  if (!residency_.evict_unread(except, freed, &stream, &index)) return false;
  note_gone(*stream, index);
  return true;
}

bool Admission::drop_idle_region(FreedMemory* freed) {
  for (ObjectStream* stream = views_.next(0); stream != nullptr;
       stream = views_.next(stream->sequence())) {
    if (views_.is_used(*stream->plan.region) || !is_idle(*stream, residency_) ||
        !empty_region(*stream, freed))
      continue;
    const Ticket ticket = stream->plan.region->take_ticket();  // dropped here: its bytes are free
    freed->regions.push_back(std::move(stream->plan.region));
    stream->plan.region = nullptr;
    views_.remove_stream(*stream);
    return true;
  }
  return false;
}

// Of the object's own chunks, as many as make up for what is missing, or none. How many bytes of
// the object they were.
std::uint64_t Admission::evict_for_room(ObjectStream& stream, std::uint64_t missing,
                                        FreedMemory* freed) {
  std::uint64_t room = 0;
  for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) room += room_of(stream, i, residency_);
  if (room < missing) return 0;
  std::uint64_t evicted = 0;
  std::uint64_t found = 0;
  for (std::uint64_t i = stream.chunk_count(); i-- > 0 && found < missing;) {
    const std::uint64_t more = room_of(stream, i, residency_);
    if (more == 0 || !take_chunk(stream, i, freed)) continue;
    note_gone(stream, i);
    found += more;
    evicted += stream.chunk_length(i);
  }
  return evicted;
}

// False: a reader has pinned a chunk since is_idle() looked; it keeps the region.
bool Admission::empty_region(ObjectStream& stream, FreedMemory* freed) {
  for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) {
    if (stream.slot(i).chunk.view().phase == ChunkPhase::kAbsent) continue;
    if (!take_chunk(stream, i, freed)) return false;  // it may have a block of its own still
    note_gone(stream, i);
  }
  return true;
}

}  // namespace ossmc
