// What to start next: the three classes of work, and memory for it.
#include <algorithm>
#include <utility>

#include "prefetch/scheduler.h"

namespace ossmc {

bool Scheduler::has_work_locked(TimePoint now) const {
  return !urgent_.empty() || !reading_.empty() || !sweep_.empty() ||
         (!retries_.empty() && retries_.begin()->first <= now) ||
         (!jobs_.empty() && look_for_slow_at_ <= now);
}

void Scheduler::queue_urgent_locked(ObjectStream& stream, std::uint64_t index) {
  stream.slot(index).work = ChunkSlot::Work::kUrgent;
  urgent_.emplace_back(stream.shared_from_this(), index);
}

void Scheduler::start_sweep_locked(ObjectStream& stream, std::uint64_t from) {
  stream.plan.sweep_next = from;
  if (from < stream.chunk_count()) sweep_.emplace(stream.sequence(), &stream);
}

bool Scheduler::pick_locked(int thread, const Occupancy& occupancy, TimePoint now, Pick* pick,
                            FreedMemory* freed) {
  const int busy = occupancy.busy;
  const int slots = slots_.slots(thread, occupancy.enough);
  // A retry holds its memory already; it comes first so that this memory does not lie idle.
  if (busy < slots_.slots(thread) + kUrgentExtraSlots) {
    if (!retries_.empty() && retries_.begin()->first <= now) {
      pick->retry = retries_.begin()->second;
      retries_.erase(retries_.begin());
      Job& job = jobs_.at(pick->retry);
      job.is_parked = false;
      job.started_at = now;
      return true;
    }
    if (pick_hedge_locked(now, pick)) return true;
    bool blocked = false;
    if (pick_urgent_locked(pick, freed, &blocked)) return true;
    if (blocked) {  // nothing of a lower class may take what it waits for; what needs no memory
                    // goes on
      if (pick_past_blocked_locked(pick)) return true;
      if (busy < slots && !occupancy.behind && !is_paused_locked(pause_, now) &&
          pick_ahead_locked(now, pick, freed, true))
        return true;
      pins_pending_ = residency_.take_met_pins();
      note_limit_locked(thread, Limit::kMemory, now);
      return false;
    }
  }
  if (busy >= slots) {
    note_limit_locked(thread, Limit::kNetwork, now);
    return false;
  }
  if (occupancy.behind) {
    note_limit_locked(thread, Limit::kCpu, now);
    return false;
  }
  if (is_paused_locked(pause_, now)) {
    note_limit_locked(thread, Limit::kPause, now);
    return false;
  }
  const bool was_starved = std::exchange(starved_, false);
  const bool view_waits = !view_turns_.empty();
  if (pick_ahead_locked(now, pick, freed, false) ||
      (!view_waits && pick_sweep_locked(now, pick, freed))) {
    starved_ = starved_ || was_starved;  // another thread may be, which has a free slot
    return true;
  }
  if (view_waits) starved_ = true;
  pins_pending_ = residency_.take_met_pins();
  note_limit_locked(thread, starved_ ? Limit::kReader : Limit::kIdle, now);
  return false;
}

void Scheduler::note_limit_locked(int thread, Limit limit, TimePoint now) {
  slots_.on_nothing(thread, limit == Limit::kNetwork);
  if (limit != Limit::kIdle && slots_.is_throttled(now)) {
    limit = Limit::kThrottle;
  } else if (limit == Limit::kNetwork && slots_.is_cpu_bound()) {
    limit = Limit::kCpu;
  } else if (limit == Limit::kIdle && !jobs_.empty()) {
    limit = Limit::kNetwork;  // all that there is to fetch is on its way
  }
  limit_.store(limit, std::memory_order_relaxed);
}

bool Scheduler::pick_urgent_locked(Pick* pick, FreedMemory* freed, bool* blocked) {
  while (!urgent_.empty()) {
    const StreamPtr stream = urgent_.front().first;
    const std::uint64_t index = urgent_.front().second;
    ChunkSlot& slot = stream->slot(index);
    if (stream->is_closed() || slot.work != ChunkSlot::Work::kUrgent) {
      urgent_.pop_front();
      continue;
    }
    if (!admit_locked(*stream, index, 0, true, pick, freed)) {
      if (stream->state() != StreamState::kOpening) {
        *blocked = true;
        return false;
      }
      // open() never waits for memory that only a read would free: the size comes by HEAD then.
      urgent_.pop_front();
      hand_over_open_locked(*stream);
      continue;
    }
    urgent_.pop_front();
    return true;
  }
  return false;
}

void Scheduler::hand_over_open_locked(ObjectStream& stream) {
  stream.slot(0).work = ChunkSlot::Work::kNone;
  stream.become_needs_head();
  openers_to_wake_.push_back(stream.shared_from_this());
}

// Behind a claim that waits for memory: chunks of regions have theirs, and a view that is complete
// is what may free some; and open() does not wait with it.
bool Scheduler::pick_past_blocked_locked(Pick* pick) {
  for (auto it = urgent_.begin(); it != urgent_.end();) {
    const StreamPtr stream = it->first;
    const std::uint64_t index = it->second;
    ChunkSlot& slot = stream->slot(index);
    if (stream->is_closed() || slot.work != ChunkSlot::Work::kUrgent) {
      it = urgent_.erase(it);
    } else if (stream->plan.region != nullptr) {
      FreedMemory none;
      urgent_.erase(it);
      return admit_locked(*stream, index, 0, false, pick, &none);
    } else if (stream->state() == StreamState::kOpening) {
      it = urgent_.erase(it);
      hand_over_open_locked(*stream);
    } else {
      ++it;
    }
  }
  return false;
}

bool Scheduler::is_paused_locked(const PrefetchPause& pause, TimePoint now) {
  if (!pause.is_on(now)) return false;
  resume_at_ = std::min(resume_at_, pause.until());
  return true;
}

void Scheduler::note_start_locked(ObjectStream& stream, TimePoint now) {
  pause_.on_start(now, context_.retry);
  stream.plan.pause.on_start(now, context_.retry);
}

bool Scheduler::pick_ahead_locked(TimePoint now, Pick* pick, FreedMemory* freed,
                                  bool regions_only) {
  const std::uint64_t window = window_chunks_locked();
  // So much of the budget may an active reader take from unread chunks of others (reads in another
  // order than opened).
  const std::uint64_t may_take_chunks = std::max<std::uint64_t>(
      2, jump_bytes() / options_.chunk_bytes / std::max<std::size_t>(reading_.size(), 1));
  for (auto it = reading_.begin(); it != reading_.end();) {
    ObjectStream& stream = *it->second;
    ObjectStream::Plan& plan = stream.plan;
    const bool in_region = plan.region != nullptr;
    if ((!in_region && (regions_only || !view_turns_.empty())) ||
        is_paused_locked(plan.pause, now)) {
      ++it;
      continue;
    }
    const std::uint64_t end =
        in_region ? stream.chunk_count() : std::min(stream.chunk_count(), plan.cursor + 1 + window);
    while (plan.ahead_next < end) {
      ChunkSlot& slot = stream.slot(plan.ahead_next);
      if (slot.work == ChunkSlot::Work::kNone && slot.failure.is_ok() &&
          slot.chunk.view().phase == ChunkPhase::kAbsent) {
        const bool may_evict_unread = plan.ahead_next - plan.cursor <= may_take_chunks;
        if (admit_locked(stream, plan.ahead_next, reserve_bytes_, may_evict_unread, pick, freed)) {
          ++plan.ahead_next;
          note_start_locked(stream, now);
          return true;
        }
        regions_only = true;  // what is to be had is for this one; the others have theirs
        break;
      }
      ++plan.ahead_next;
    }
    if (plan.ahead_next >= stream.chunk_count()) {
      plan.reading = false;
      it = reading_.erase(it);
    } else {
      ++it;
    }
  }
  return false;
}

ObjectStream* Scheduler::first_of_sweep_locked(TimePoint now) {
  for (const auto& [sequence, stream] : sweep_) {
    if (!is_paused_locked(stream->plan.pause, now)) return stream.get();
  }
  return nullptr;
}

bool Scheduler::pick_sweep_locked(TimePoint now, Pick* pick, FreedMemory* freed) {
  while (ObjectStream* const first = first_of_sweep_locked(now)) {
    ObjectStream& stream = *first;
    std::uint64_t& index = stream.plan.sweep_next;
    bool is_still_first = true;
    for (; index < stream.chunk_count(); ++index) {
      ChunkSlot& slot = stream.slot(index);
      if (slot.work != ChunkSlot::Work::kNone || !slot.failure.is_ok() ||
          slot.chunk.handed_out_whole() || slot.chunk.view().phase != ChunkPhase::kAbsent) {
        continue;
      }
      // Where reads jump, what the next one takes for itself is left to it: fetched now, it would
      // be given up unread.
      const std::uint64_t room = budget_->free_bytes() + residency_.consumed_bytes();
      const bool leaves_room =
          !reads_jump_ || room >= options_.chunk_bytes + reserve_bytes_ + jump_bytes();
      const std::uint64_t tried = index;
      if (leaves_room && admit_locked(stream, index, reserve_bytes_, false, pick, freed)) {
        ++index;
        note_start_locked(stream, now);
        return true;
      }
      starved_ = true;
      // What an idle region held may come before it now.
      is_still_first = first_of_sweep_locked(now) == &stream && index == tried;
      if (is_still_first) return false;
      break;
    }
    if (is_still_first) sweep_.erase(stream.sequence());
  }
  return false;
}

bool Scheduler::admit_locked(ObjectStream& stream, std::uint64_t index, std::uint64_t keep_free,
                             bool may_evict_unread, Pick* pick, FreedMemory* freed) {
  pick->region_data = nullptr;
  pick->is_first = stream.state() != StreamState::kOpen;
  pick->length = pick->is_first ? stream.chunk_bytes() : stream.chunk_length(index);
  if (stream.plan.region != nullptr) {
    pick->region_data = stream.plan.region->data() + stream.chunk_begin(index);
  } else {
    const std::uint64_t bytes = pick->length;
    // Ahead of a reader, the reader's own chunks are not given up; for a blocked one any may go.
    const ObjectStream* const except = keep_free > 0 ? &stream : nullptr;
    while (!(pick->ticket = Ticket::try_take(budget_, bytes, keep_free))) {
      // A blocked read gathers memory. Others give up nothing in vain: the sweep would fetch it
      // again, only for it to go again.
      const bool gathers = keep_free == 0 && !pick->is_first;
      const std::uint64_t needed = bytes + keep_free;
      const std::uint64_t missing = needed - std::min(needed, budget_->free_bytes());
      const bool may_have_it = gathers || residency_.can_free(missing, may_evict_unread, except);
      if (may_have_it && residency_.evict_consumed(freed)) continue;
      if (drop_idle_region_locked(freed)) continue;
      if (may_have_it && may_evict_unread && evict_unread_locked(except, freed)) {
        if (keep_free > 0) reads_jump_ = true;
        continue;
      }
      starved_ = true;
      return false;
    }
  }
  stream.slot(index).work = ChunkSlot::Work::kInFlight;
  stream.slot(index).in_region = pick->region_data != nullptr;
  pick->is_refetch = stream.slot(index).fetched_before;
  if (context_.verify_crc64) pick->seen = stream.slot(index).seen;
  pick->stream = stream.shared_from_this();
  pick->index = index;
  return true;
}

bool Scheduler::evict_unread_locked(const ObjectStream* except, FreedMemory* freed) {
  ObjectStream* stream = nullptr;
  std::uint64_t index = 0;
  if (!residency_.evict_unread(except, freed, &stream, &index)) return false;
  sweep_again_locked(*stream, index);
  return true;
}

// The chunk was given up before it was read.
void Scheduler::sweep_again_locked(ObjectStream& stream, std::uint64_t index) {
  stream.plan.sweep_next = std::min(stream.plan.sweep_next, index);
  sweep_.emplace(stream.sequence(), &stream);
  starved_ = true;
}

std::uint64_t Scheduler::window_chunks_locked() const {
  const auto slots = static_cast<std::uint64_t>(slots_.total());
  const std::uint64_t by_memory = (budget_->limit_bytes() - reserve_bytes_) / options_.chunk_bytes /
                                  std::max<std::size_t>(reading_.size(), 1);
  return std::clamp<std::uint64_t>(by_memory, 1, 2 * slots);
}

}  // namespace ossmc
