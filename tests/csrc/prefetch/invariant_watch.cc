#include "csrc/prefetch/invariant_watch.h"

#include <algorithm>
#include <utility>

namespace ossmc {

InvariantWatch::InvariantWatch(WatchOptions options, Scheduler& scheduler,
                               std::shared_ptr<Budget> budget, const Counters& counters,
                               std::function<void(const std::string&)> complain,
                               std::function<void(const std::string&)> note)
    : options_(options),
      scheduler_(scheduler),
      budget_(std::move(budget)),
      full_bytes_(budget_->limit_bytes()),
      counters_(counters),
      complain_(std::move(complain)),
      streams_(options_),
      questions_(options_, streams_, budget_, counters_, complain_, std::move(note)) {}

// --- after a step ---

void InvariantWatch::after_step() {
  streams_.look();
  held_ = questions_.hedge_bytes();
  for (const auto& [sequence, watched] : streams_.all()) {
    if (watched.views > 0) held_ += watched.region_bytes;
    const std::shared_ptr<ObjectStream> stream = watched.weak.lock();
    if (stream == nullptr) continue;
    sum_up(watched, *stream);
    check_line(*stream);
    check_lists(*stream);
  }
  const std::uint64_t used = budget_->used_bytes();
  if (used > budget_->limit_bytes()) complain("more memory is taken than the budget has");
  if (held_ > used)
    complain("chunks, hedges and views hold " + std::to_string(held_) +
             " bytes, the budget knows of " + std::to_string(used));
  questions_.check_hedges();
}

void InvariantWatch::after_abandoned() {
  for (const auto& [sequence, watched] : streams_.all()) {
    const std::shared_ptr<ObjectStream> stream = watched.weak.lock();
    if (stream != nullptr) check_line(*stream);
  }
}

void InvariantWatch::check_line(ObjectStream& stream) {
  const bool is_opening = stream.state() == StreamState::kOpening;
  for (std::uint64_t i = 0; i < WatchedStreams::slots_of(stream); ++i) {
    const ChunkSlot& slot = stream.slot(i);
    if (slot.work != Work::kUrgent) continue;
    if (stream.is_closed()) complain(chunk_name(stream, i) + " is in line though it is closed");
    if (slot.claims == 0 && !(is_opening && i == 0))
      complain(chunk_name(stream, i) + " is in line, and nobody waits for it");
  }
}

// What its chunks hold.
void InvariantWatch::sum_up(const Watched& watched, ObjectStream& stream) {
  for (std::uint64_t i = 0; i < WatchedStreams::slots_of(stream); ++i) {
    const ChunkSlot& slot = stream.slot(i);
    const ChunkPhase phase = slot.chunk.view().phase;
    if (phase == ChunkPhase::kAbsent || phase == ChunkPhase::kMoving) continue;
    // It is part of the view; or its region is gone, and its fetch about to be cancelled.
    if (slot.in_region && (watched.views > 0 || stream.plan.region == nullptr)) continue;
    held_ += slot.chunk.length();
  }
}

// Only how many they are is to be seen, where assertions are on. Whether it is swept is not.
void InvariantWatch::check_lists(ObjectStream& stream) {
  const ObjectStream::Plan& plan = stream.plan;
  int least = (plan.reading ? 1 : 0) + (plan.region != nullptr ? 1 : 0);
  const bool is_closed = stream.is_closed();
  if (is_closed && plan.reading)
    complain(chunk_name(stream, 0) + " is read ahead though it is closed");
  if (is_closed) least = 0;
  for (std::uint64_t i = 0; i < stream.chunk_count() && !is_closed; ++i) {
    const ChunkSlot& slot = stream.slot(i);
    const ChunkPhase phase = slot.chunk.view().phase;
    const bool may_go = phase == ChunkPhase::kReady || phase == ChunkPhase::kFailed;
    if (may_go && !slot.in_region && slot.work != Work::kInFlight) ++least;
  }
#ifndef NDEBUG
  if (plan.links < least || plan.links > least + (is_closed ? 0 : 1))
    complain(chunk_name(stream, 0) + " is in " + std::to_string(plan.links) +
             " lists, and should be in " + std::to_string(least) +
             (is_closed ? "" : ", and one more while it is swept"));
#endif
}

// --- after a turn ---

void InvariantWatch::after_turn(const ShuffledTransport& transport,
                                const std::vector<const void*>& waiting, bool view_waits) {
  check_waiting(waiting);
  int least_busy = transport.busy(0);
  for (int thread = 1; thread < transport.threads(); ++thread)
    least_busy = std::min(least_busy, transport.busy(thread));
  const std::uint64_t free = budget_->free_bytes();
  if (const auto needs = streams_.first_in_line_needs()) {
    const std::uint64_t evictable = streams_.evictable_bytes(false);
    if (least_busy < options_.least_slots + QuestionWatch::kUrgentExtraSlots &&
        *needs <= free + evictable)
      complain("the first in line for " + std::to_string(*needs) + " bytes waits, with " +
               std::to_string(free) + " bytes free, " + std::to_string(evictable) +
               " to be had and a free slot");
    return;  // nothing else may start
  }
  if (least_busy >= options_.least_slots || view_waits || scheduler_.is_paused()) return;
  bool is_first = true;
  streams_.for_each_chunk([&](const Place& place) { check_idle_slot(place, &is_first); });
}

void InvariantWatch::check_waiting(const std::vector<const void*>& waiting) {
  streams_.for_each_chunk([&](const Place& place) {
    const auto* const begin = reinterpret_cast<const std::byte*>(&place.slot().chunk);
    for (const void* word : waiting) {
      if (word < begin || word >= begin + sizeof(Chunk)) continue;
      const std::string name = chunk_name(*place.stream, place.index);
      const ChunkPhase phase = place.slot().chunk.view().phase;
      if (phase == ChunkPhase::kReady || phase == ChunkPhase::kFailed)
        complain("somebody waits for " + name + ", whose fetch has ended");
      if (phase == ChunkPhase::kAbsent && place.slot().work == Work::kNone)
        complain("somebody waits for " + name + ", which is neither in flight nor in line");
    }
  });
}

// A slot is free: is this chunk to take it? `is_first`: nothing of the sweep came before it.
void InvariantWatch::check_idle_slot(const Place& place, bool* is_first) {
  const ChunkSlot& slot = place.slot();
  if (place.stream->plan.pause.is_on(scheduler_.context().clock.now())) return;
  if (place.stream->state() != StreamState::kOpen || place.stream->chunk_count() == 0 ||
      slot.work != Work::kNone || !slot.failure.is_ok() ||
      slot.chunk.view().phase != ChunkPhase::kAbsent)
    return;
  // Decision 9: enough lies ready.
  if (streams_.unread_bytes() > options_.least_ready_bytes) return;
  const std::uint64_t free = budget_->free_bytes();
  const std::uint64_t reserve = questions_.reserve_bytes();
  const std::string name = chunk_name(*place.stream, place.index);
  // Reads that jump hold the sweep of their object (decision 10).
  const bool is_swept =
      (place.watched->is_swept || place.watched->is_swept_again) && !place.stream->plan.is_held;
  if (is_swept && *is_first && !slot.chunk.handed_out_whole()) {
    *is_first = false;
    // Decision 2: where reads jump, the sweep leaves a quarter of the budget alone.
    const std::uint64_t room = questions_.reads_jump()
                                   ? options_.chunk_bytes + budget_->limit_bytes() / 4
                                   : streams_.bytes_of(*place.stream, place.index);
    // Of what was read, what is kept for reading again stays.
    if (place.watched->is_swept && room + reserve <= free)
      complain("the first of the sweep, " + name + ", does not start, with a free slot and " +
               std::to_string(free) + " bytes free");
  }
  if (!place.watched->gave_up_read && place.watched->read_through &&
      *place.watched->read_through + 1 == place.index && !place.seen().was_fetched &&
      options_.chunk_bytes + reserve <= free)
    complain("the next of a reader, " + name + ", does not start, with memory and a free slot");
}

// --- after a run ---

bool InvariantWatch::is_for_views_to_end() {
  const auto needs = streams_.first_in_line_needs();
  return streams_.any_view() && needs &&
         *needs > budget_->free_bytes() + streams_.evictable_bytes(false);
}

void InvariantWatch::after_callers() {
  for (const auto& [sequence, watched] : streams_.all()) {
    const std::shared_ptr<ObjectStream> stream = watched.weak.lock();
    if (stream == nullptr) continue;
    for (std::uint64_t i = 0; i < WatchedStreams::slots_of(*stream); ++i) {
      if (stream->slot(i).claims > 0)
        complain(chunk_name(*stream, i) + " is claimed, and nobody reads");
    }
  }
}

void InvariantWatch::at_end(bool may_hold_streams) {
  for (const auto& [sequence, watched] : streams_.all()) {
    if (!watched.weak.expired() && !may_hold_streams)
      complain("a closed stream lives on: #" + std::to_string(sequence));
    if (!watched.region.expired())
      complain("a view's region lives on: #" + std::to_string(sequence));
  }
  if (questions_.hedges() > 0) complain("a hedge did not end");
  if (budget_->used_bytes() != 0)
    complain(std::to_string(budget_->used_bytes()) + " bytes of the budget did not come back");
  if (budget_->peak_bytes() > full_bytes_) complain("the budget was passed");
  if (scheduler_.memory_bytes() != 0) complain("memory_bytes() is not 0 with nothing open");
  const std::uint64_t refetched = questions_.found().refetched;
  if (options_.around_questions && load(counters_.refetches) != refetched)
    complain("stats count " + std::to_string(load(counters_.refetches)) +
             " refetches, there were " + std::to_string(refetched));
}

}  // namespace ossmc
