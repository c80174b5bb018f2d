#include "prefetch/picker.h"

#include <algorithm>
#include <utility>

namespace ossmc {

namespace {

// Nobody has begun to fetch it, and it is not there.
bool is_to_fetch(const ChunkSlot& slot) {
  return slot.work == ChunkSlot::Work::kNone && slot.failure.is_ok() &&
         slot.chunk.view().phase == ChunkPhase::kAbsent;
}

}  // namespace

bool Picker::has_work(TimePoint now) const {
  state_.mutex.assert_held();
  return !state_.urgent.empty() || !state_.pieces.empty() || !state_.positions.empty() ||
         state_.fetches.next_due() <= now || state_.fetches.is_time_to_look(now);
}

bool Picker::pick(int thread, const Occupancy& occupancy, TimePoint now, Pick* pick,
                  FreedMemory* freed) {
  state_.mutex.assert_held();
  const int busy = occupancy.busy;
  const int slots = state_.slots.slots(thread, occupancy.enough);
  // More than these would only wait for the limit of bytes a second, with their memory, and take
  // the slots of others. Where the user has chosen the number of requests, that is heeded.
  const bool is_held_back = occupancy.held_back >= Occupancy::kEnoughHeldBack &&
                            (!state_.slots.is_fixed() || busy >= slots);
  if (busy < state_.slots.slots(thread) + kUrgentExtraSlots) {
    // A retry holds its memory already; it comes first so that this memory does not lie idle.
    if (pick_retry(now, pick) || pick_hedge(now, pick)) return true;
    Urgent urgent = pick_urgent(is_held_back, pick, freed);
    if (urgent == Urgent::kBlocked && state_.fetches.empty() && state_.ceiling.is_stuck(now) &&
        give_up_claimed(freed))
      urgent = pick_urgent(is_held_back, pick, freed);
    if (urgent == Urgent::kPicked) {
      state_.ceiling.note_start();
      return true;
    }
    if (urgent == Urgent::kBlocked) {
      // Nothing of a lower class may take what it waits for; what needs no memory goes on.
      state_.working_set.clear_refused();
      if (pick_past_blocked(pick)) return true;
      if (busy < slots && !occupancy.behind && pick_piece(state_.pieces.take_bulk(), pick))
        return true;
      if (busy < slots && !occupancy.behind && !is_paused(state_.pause, now) &&
          pick_ahead(now, pick, freed, true))
        return true;
      state_.pins_pending = state_.residency.take_met_pins();
      note_limit(thread, Limit::kMemory, now);
      return false;
    }
  } else if (is_held_back && has_urgent_slot(thread, occupancy) &&
             pick_piece(state_.pieces.take_first_urgent(), pick)) {
    return true;
  }
  if (busy >= slots) {
    note_limit(thread, Limit::kNetwork, now);
    return false;
  }
  if (occupancy.behind) {
    note_limit(thread, Limit::kCpu, now);
    return false;
  }
  if (is_held_back) {
    note_limit(thread, Limit::kNetwork, now);
    return false;
  }
  if (busy >= occupancy.ramp && !state_.slots.is_fixed()) {
    note_limit(thread, Limit::kIdle, now);  // on its way, though not all slots are taken
    return false;
  }
  if (pick_piece(state_.pieces.take_bulk(), pick)) return true;
  if (is_paused(state_.pause, now)) {
    note_limit(thread, Limit::kPause, now);
    return false;
  }
  const bool was_starved = state_.admission.is_starved();
  state_.admission.set_starved(false);
  const bool view_waits = state_.views.somebody_waits();
  if (pick_ahead(now, pick, freed, false) || (!view_waits && pick_sweep(now, pick, freed))) {
    if (was_starved) state_.admission.set_starved(true);  // another thread may be, with a free slot
    return true;
  }
  if (view_waits) state_.admission.set_starved(true);
  state_.pins_pending = state_.residency.take_met_pins();
  // Not the reader's slowness is why, where others have the memory or the limit was lowered.
  const bool squeezed =
      state_.budget->is_squeezed(state_.admission.reserve_bytes() + state_.options.chunk_bytes);
  const Limit starved_by = squeezed ? Limit::kMemory : Limit::kReader;
  note_limit(thread, state_.admission.is_starved() ? starved_by : Limit::kIdle, now);
  return false;
}

bool Picker::has_urgent_slot(int thread, const Occupancy& occupancy) const {
  state_.mutex.assert_held();
  return occupancy.busy - occupancy.held_back < state_.slots.slots(thread) + kUrgentExtraSlots;
}

void Picker::note_limit(int thread, Limit limit, TimePoint now) {
  state_.mutex.assert_held();
  state_.slots.on_nothing(thread, limit == Limit::kNetwork && !state_.is_at_limit);
  if (limit != Limit::kIdle && state_.slots.is_throttled(now)) {
    limit = Limit::kThrottle;
  } else if (limit == Limit::kNetwork && state_.slots.is_cpu_bound()) {
    limit = Limit::kCpu;
  } else if (limit == Limit::kIdle && !state_.fetches.empty()) {
    limit = Limit::kNetwork;  // all that there is to fetch is on its way
  }
  if (state_.is_at_limit && (limit == Limit::kNetwork || limit == Limit::kCpu))
    limit = Limit::kRate;
  state_.limit.store(limit, std::memory_order_relaxed);
}

bool Picker::pick_retry(TimePoint now, Pick* pick) {
  pick->retry = state_.fetches.next_retry(now);
  if (pick->retry == nullptr) return false;
  state_.fetches.unpark(state_.fetches.at(*pick->retry), now);
  return true;
}

bool Picker::pick_hedge(TimePoint now, Pick* pick) {
  const bool nothing_else =
      state_.urgent.empty() && state_.pieces.empty() && state_.positions.empty();
  FetchBook::Entry* const slow = state_.fetches.slowest(now, state_.context.counters, nothing_else);
  if (slow == nullptr) return false;
  ObjectStream& stream = *slow->stream;
  const ChunkSlot& slot = stream.slot(slow->index);
  const Piece* const piece = slow->piece.get();
  const std::uint64_t begin = stream.chunk_begin(slow->index);
  pick->hedged = {begin + slot.chunk.view().filled, begin + stream.chunk_length(slow->index)};
  if (piece != nullptr)
    pick->hedged = {begin + piece->begin + piece->sink.filled(), begin + piece->end()};
  if (pick->hedged.size() == 0) return false;
  // What somebody waits for may take what is kept free for that.
  pick->ticket = state_.admission.for_hedge(
      state_.pool->block_bytes(static_cast<std::size_t>(pick->hedged.size())),
      slot.claims > 0 || piece != nullptr);
  if (!pick->ticket) return false;
  slow->was_hedged = true;  // now: another I/O thread may look before this one has started it
  pick->slow = slow->fetch.get();
  pick->stream = slow->stream;
  pick->index = slow->index;
  return true;
}

// Claims and pieces in turn. Pieces need no memory: they go past a claim that waits for some.
// `is_held_back`: of each call that receives pieces only the first, so that other calls have
// theirs.
Picker::Urgent Picker::pick_urgent(bool is_held_back, Pick* pick, FreedMemory* freed) {
  const auto take_piece = [&] {
    state_.mutex.assert_held();
    return is_held_back ? state_.pieces.take_first_urgent() : state_.pieces.take_urgent();
  };
  state_.is_turn_of_pieces = !state_.is_turn_of_pieces;
  if (state_.is_turn_of_pieces && pick_piece(take_piece(), pick)) return Urgent::kPicked;
  const Urgent claim = pick_claim(pick, freed);
  if (claim == Urgent::kPicked) return claim;
  return pick_piece(take_piece(), pick) ? Urgent::kPicked : claim;
}

// False: it is null.
bool Picker::pick_piece(const std::shared_ptr<Piece>& piece, Pick* pick) {
  if (piece == nullptr) return false;
  pick->stream = piece->stream;
  pick->index = piece->index;
  pick->piece = piece;
  pick->is_first = piece->stream->state() == StreamState::kOpening;
  const ChunkSlot& slot = piece->stream->slot(piece->index);
  if (piece->is_whole()) {
    pick->is_refetch = slot.fetched_before;
    if (state_.context.verify_crc64) pick->seen = {slot.seen, slot.seen_parts};
  }
  return true;
}

Picker::Urgent Picker::pick_claim(Pick* pick, FreedMemory* freed) {
  UrgentWork::Entry entry;
  while ((entry = state_.urgent.next(0)).stream != nullptr) {
    ObjectStream& stream = *entry.stream;
    const bool is_open = stream.state() == StreamState::kOpening;
    const bool has_memory =
        is_open ? admit_open(stream, pick, freed) : admit_urgent(stream, entry.index, pick, freed);
    if (!has_memory && !is_open) return Urgent::kBlocked;
    state_.urgent.remove(stream, entry.index);
    if (has_memory) {
      pick->place = entry.place;
      fill_pick(stream, entry.index, pick);
      return Urgent::kPicked;
    }
    // open() never waits for memory that only a read would free.
    state_.heads_to_ask.push_back(entry.stream);
  }
  return Urgent::kNone;
}

// A chunk that is there, claimed by a read that waits for another one: it is asked for again. The
// one claimed last, and after what is first in line: what a read waits for it claimed before what
// it holds, so those who claimed before get on by themselves.
bool Picker::give_up_claimed(FreedMemory* freed) {
  std::uint64_t last = state_.urgent.next(0).place;
  ObjectStream* of = nullptr;
  std::uint64_t found = 0;
  for (const auto& [sequence, index] : state_.urgent.claimed()) {
    const auto stream = state_.streams.find(sequence);
    if (stream == state_.streams.end() || stream->second->plan.region != nullptr) continue;
    const ChunkSlot& slot = stream->second->slot(index);
    const Chunk::View view = slot.chunk.view();
    if (slot.work != ChunkSlot::Work::kNone || view.phase != ChunkPhase::kReady || view.pins > 0 ||
        slot.place_in_line <= last)
      continue;
    last = slot.place_in_line;
    of = stream->second.get();
    found = index;
  }
  if (of == nullptr || !take_chunk(*of, found, freed)) return false;
  state_.residency.forget(*of, found);
  state_.urgent.add(*of, found);
  return true;
}

// Behind a claim that waits for memory: chunks of regions have theirs, and a view that is complete
// is what may free some; and open() does not wait with it.
bool Picker::pick_past_blocked(Pick* pick) {
  UrgentWork::Entry entry;
  while ((entry = state_.urgent.next(entry.place)).stream != nullptr) {
    if (entry.stream->state() == StreamState::kOpening) {
      state_.urgent.remove(*entry.stream, entry.index);
      state_.heads_to_ask.push_back(entry.stream);
    } else if (entry.stream->plan.region != nullptr) {
      pick->length = entry.stream->chunk_length(entry.index);
      state_.urgent.remove(*entry.stream, entry.index);
      fill_pick(*entry.stream, entry.index, pick);
      return true;
    }
  }
  return false;
}

bool Picker::is_paused(const PrefetchPause& pause, TimePoint now) {
  if (!pause.is_on(now)) return false;
  state_.resume_at = std::min(state_.resume_at, pause.until());
  return true;
}

void Picker::note_start(ObjectStream& stream, TimePoint now) {
  state_.working_set.clear_refused();
  state_.pause.on_start(now, state_.context.retry);
  stream.plan.pause.on_start(now, state_.context.retry);
}

bool Picker::pick_ahead(TimePoint now, Pick* pick, FreedMemory* freed, bool regions_only) {
  // So much of the budget may an active reader take from unread chunks of others (reads in another
  // order than opened).
  const std::uint64_t may_take_chunks =
      std::max<std::uint64_t>(2, state_.admission.jump_bytes() / state_.options.chunk_bytes /
                                     std::max<std::size_t>(state_.positions.readers(), 1));
  ObjectStream* next = nullptr;
  for (std::uint64_t behind = 0; (next = state_.positions.next_reader(behind)) != nullptr;
       behind = next->sequence()) {
    ObjectStream& stream = *next;
    ObjectStream::Plan& plan = stream.plan;
    const bool in_region = plan.region != nullptr;
    if (!in_region && (regions_only || state_.views.somebody_waits())) continue;
    if (is_paused(plan.pause, now)) continue;
    const bool is_viewed = in_region && state_.views.is_used(*plan.region);
    const std::uint64_t end =
        is_viewed ? stream.chunk_count()
                  : std::min(stream.chunk_count(), plan.cursor + 1 + state_.window_chunks(stream));
    for (; plan.ahead_next < end; ++plan.ahead_next) {
      const std::uint64_t index = plan.ahead_next;
      if (!is_to_fetch(stream.slot(index))) continue;
      const bool may_evict_unread = index - plan.cursor <= may_take_chunks;
      if (admit_ahead(stream, index, may_evict_unread, now, pick, freed)) {
        ++plan.ahead_next;
        note_start(stream, now);
        return true;
      }
      regions_only = true;  // what is to be had is for this one; the others have theirs
      break;
    }
    if (plan.ahead_next >= stream.chunk_count()) state_.positions.end_reading(stream);
  }
  return false;
}

ObjectStream* Picker::first_of_sweep(TimePoint now) {
  ObjectStream* stream = state_.positions.next_in_sweep(0);
  while (stream != nullptr && is_paused(stream->plan.pause, now))
    stream = state_.positions.next_in_sweep(stream->sequence());
  return stream;
}

bool Picker::pick_sweep(TimePoint now, Pick* pick, FreedMemory* freed) {
  while (ObjectStream* const first = first_of_sweep(now)) {
    ObjectStream& stream = *first;
    std::uint64_t& index = stream.plan.sweep_next;
    bool is_still_first = true;
    for (; index < stream.chunk_count(); ++index) {
      const ChunkSlot& slot = stream.slot(index);
      if (!is_to_fetch(slot) || slot.chunk.handed_out_whole()) continue;
      const std::uint64_t tried = index;
      if (admit_sweep(stream, index, now, pick, freed)) {
        ++index;
        note_start(stream, now);
        return true;
      }
      state_.admission.set_starved(true);
      // What an idle region held may come before it now.
      is_still_first = first_of_sweep(now) == &stream && index == tried;
      if (is_still_first) return false;
      break;
    }
    if (is_still_first) state_.positions.end_sweep(stream);
  }
  return false;
}

bool Picker::admit_open(ObjectStream& stream, Pick* pick, FreedMemory* freed) {
  Admission& admission = state_.admission;
  const std::uint32_t whole = stream.chunk_bytes();
  const std::uint32_t little = std::min(whole, state_.options.little_bytes);
  const std::uint64_t whole_bytes = state_.pool->block_bytes(whole);
  // How much of it the object has is not known. One may have a whole chunk's memory; many at a time
  // leave half of the budget to those behind them.
  const bool leaves_enough =
      state_.urgent.opens() == 1 ||
      state_.budget->free_bytes() >= whole_bytes + state_.budget->limit_bytes() / 2;
  pick->length = whole;
  if (leaves_enough) pick->ticket = admission.for_open(whole_bytes, false, freed);
  if (pick->ticket) return true;
  pick->length = little;
  const std::uint64_t little_bytes = state_.pool->block_bytes(little);
  pick->ticket = admission.for_open(little_bytes, false, freed);
  if (!pick->ticket) pick->ticket = admission.for_open(little_bytes, true, freed);
  return static_cast<bool>(pick->ticket);
}

bool Picker::admit_urgent(ObjectStream& stream, std::uint64_t index, Pick* pick,
                          FreedMemory* freed) {
  pick->length = stream.chunk_length(index);
  if (stream.plan.region != nullptr) return true;
  pick->ticket = state_.admission.for_reader(state_.pool->block_bytes(pick->length), freed);
  return static_cast<bool>(pick->ticket);
}

bool Picker::admit_ahead(ObjectStream& stream, std::uint64_t index, bool may_evict_unread,
                         TimePoint now, Pick* pick, FreedMemory* freed) {
  pick->length = stream.chunk_length(index);
  if (stream.plan.region == nullptr) {
    pick->ticket = state_.admission.for_ahead(stream, state_.pool->block_bytes(pick->length),
                                              may_evict_unread, now, freed);
    if (!pick->ticket) return false;
  }
  fill_pick(stream, index, pick);
  return true;
}

bool Picker::admit_sweep(ObjectStream& stream, std::uint64_t index, TimePoint now, Pick* pick,
                         FreedMemory* freed) {
  if (!state_.admission.sweep_has_room()) return false;
  pick->length = stream.chunk_length(index);
  if (stream.plan.region == nullptr) {
    pick->ticket = state_.admission.for_sweep(state_.pool->block_bytes(pick->length), now, freed);
    if (!pick->ticket) return false;
  }
  fill_pick(stream, index, pick);
  return true;
}

void Picker::fill_pick(ObjectStream& stream, std::uint64_t index, Pick* pick) {
  ChunkSlot& slot = stream.slot(index);
  slot.work = ChunkSlot::Work::kInFlight;
  slot.was_given_up = false;
  slot.in_region = stream.plan.region != nullptr;
  if (slot.in_region) pick->region_data = stream.plan.region->data() + stream.chunk_begin(index);
  pick->is_first = stream.state() == StreamState::kOpening;
  pick->is_refetch = slot.fetched_before;
  if (state_.context.verify_crc64) pick->seen = {slot.seen, slot.seen_parts};
  pick->stream = stream.shared_from_this();
  pick->index = index;
}

}  // namespace ossmc
