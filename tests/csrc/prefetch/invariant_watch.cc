#include "csrc/prefetch/invariant_watch.h"

#include <algorithm>
#include <utility>

#include "fetch/chunk_fetch.h"

namespace ossmc {

namespace {

// Decision 2: "a reserve of max(2 chunks, 1/16 of the budget), at most half of it".
std::uint64_t reserve_of(std::uint64_t budget_bytes, std::uint64_t chunk_bytes) {
  return std::min(std::max(2 * chunk_bytes, budget_bytes / 16), budget_bytes / 2);
}

// How many slots can be looked at: an object that is being opened has one, whatever it will be.
std::uint64_t slots_of(const ObjectStream& stream) {
  return std::max<std::uint64_t>(1, stream.chunk_count());
}

}  // namespace

InvariantWatch::InvariantWatch(Options options, Scheduler& scheduler,
                               std::shared_ptr<Budget> budget, const Counters& counters,
                               std::function<void(const std::string&)> complain,
                               std::function<void(const std::string&)> note)
    : options_(options),
      reserve_bytes_(reserve_of(budget->limit_bytes(), options.chunk_bytes)),
      scheduler_(scheduler),
      budget_(std::move(budget)),
      counters_(counters),
      complain_(std::move(complain)),
      note_(std::move(note)),
      reads_jump_(!options.around_questions) {}

std::string InvariantWatch::name_of(const ObjectStream& stream, std::uint64_t index) {
  return stream.name().key + "#" + std::to_string(stream.sequence()) + "[" + std::to_string(index) +
         "]";
}

void InvariantWatch::opened(const std::shared_ptr<ObjectStream>& stream, bool is_swept) {
  Watched& watched = streams_[stream->sequence()];
  watched.weak = stream;
  if (int& waiting = being_opened_[stream->name().key]; waiting > 0) --waiting;
  watched.is_swept = is_swept;
  watched.is_swept_again = !options_.around_questions;  // it may be, unseen
}

void InvariantWatch::read_through(const ObjectStream& stream, std::optional<std::uint64_t> index) {
  streams_[stream.sequence()].read_through = index;
}

void InvariantWatch::view_made(std::uint64_t sequence, const std::shared_ptr<ViewRegion>& region) {
  Watched& watched = streams_[sequence];
  watched.region = region;
  watched.region_bytes = region->size();
  ++watched.views;
}

void InvariantWatch::view_dropped(std::uint64_t sequence) { --streams_[sequence].views; }

bool InvariantWatch::any_view() const {
  return std::any_of(streams_.begin(), streams_.end(),
                     [](const auto& entry) { return entry.second.views > 0; });
}

template <typename Visit>
void InvariantWatch::for_each_chunk(Visit visit) {
  for (auto& [sequence, watched] : streams_) {
    Place place{&watched, watched.weak.lock(), 0};
    if (place.stream == nullptr || place.stream->is_closed()) continue;
    if (watched.chunks.size() < slots_of(*place.stream))
      watched.chunks.resize(slots_of(*place.stream));
    for (; place.index < watched.chunks.size(); ++place.index) visit(place);
  }
}

void InvariantWatch::look() {
  for_each_chunk([this](const Place& place) {
    Seen& seen = place.seen();
    const ChunkSlot& slot = place.slot();
    const Chunk::View view = slot.chunk.view();
    if (slot.work == Work::kUrgent) seen.urgent_since = slot.place_in_line;
    if (slot.work != Work::kInFlight) seen.retry_counted = false;
    // It was given up for a view perhaps.
    if (seen.phase == ChunkPhase::kReady && view.phase != ChunkPhase::kReady && !seen.consumed)
      place.watched->is_swept_again = true;
    seen.phase = view.phase;
    seen.work = slot.work;
    seen.pins = view.pins;
    seen.claims = slot.claims;
    const bool is_consumed = slot.chunk.handed_out_whole();
    // The scheduler takes that for where the reader is now.
    if (is_consumed && !seen.consumed && place.watched->read_through != place.index)
      place.watched->read_through.reset();
    seen.consumed = is_consumed;
    seen.has_region = scheduler_.views().region_of(*place.stream) != nullptr;
    if (view.phase == ChunkPhase::kReady) seen.was_fetched = true;
    // Decision 2: an object that cannot be fetched any more leaves the lower classes.
    if (!slot.failure.is_ok()) {
      place.watched->is_swept = false;
      place.watched->read_through.reset();
    }
  });
}

std::optional<InvariantWatch::Place> InvariantWatch::place_of(const Chunk& chunk) {
  for (auto& [sequence, watched] : streams_) {
    const std::shared_ptr<ObjectStream> stream = watched.weak.lock();
    if (stream == nullptr) continue;
    watched.chunks.resize(std::max<std::size_t>(watched.chunks.size(), slots_of(*stream)));
    for (std::uint64_t i = 0; i < slots_of(*stream); ++i) {
      if (&stream->slot(i).chunk == &chunk) return Place{&watched, stream, i};
    }
  }
  return std::nullopt;
}

std::uint64_t InvariantWatch::bytes_of(const ObjectStream& stream, std::uint64_t index) const {
  return options_.pool->block_bytes(
      stream.state() == StreamState::kOpen ? stream.chunk_length(index) : options_.chunk_bytes);
}

bool InvariantWatch::is_evictable(const Place& place) const {
  const Chunk::View view = place.slot().chunk.view();
  return (view.phase == ChunkPhase::kReady || view.phase == ChunkPhase::kFailed) &&
         view.pins == 0 && place.slot().claims == 0 &&
         scheduler_.views().region_of(*place.stream) == nullptr;
}

std::uint64_t InvariantWatch::evictable_bytes(bool consumed_only) {
  std::uint64_t bytes = 0;
  for_each_chunk([&](const Place& place) {
    if (is_evictable(place) && (!consumed_only || place.slot().chunk.handed_out_whole()))
      bytes += place.slot().chunk.ticket_bytes();
  });
  return bytes;
}

std::optional<std::uint64_t> InvariantWatch::first_in_line_needs() {
  std::optional<std::uint64_t> needs;
  std::uint64_t since = UINT64_MAX;
  for_each_chunk([&](const Place& place) {
    if (place.slot().work != Work::kUrgent || place.seen().urgent_since > since) return;
    // Of those that came in one step, whichever was first: the largest.
    if (place.seen().urgent_since < since) needs = 0;
    since = place.seen().urgent_since;
    // An open is never in line for memory: it is asked for with HEAD then.
    const bool has_memory = place.stream->state() == StreamState::kOpening ||
                            scheduler_.views().region_of(*place.stream) != nullptr;
    if (!has_memory) needs = std::max(*needs, bytes_of(*place.stream, place.index));
  });
  return needs;
}

// --- around a question ---

void InvariantWatch::before_ask(int busy, bool behind) {
  busy_before_ = busy;
  behind_before_ = behind;
  if (!options_.around_questions) return;
  look();
  free_before_ = budget_->free_bytes();
}

void InvariantWatch::after_ask(Exchange* got) {
  std::optional<Place> started;
  if (got == nullptr && note_)
    note_("nothing to start with " + std::to_string(busy_before_) + " busy");
  if (auto* const hedge = dynamic_cast<Hedge*>(got)) note_hedge(*hedge);
  if (const auto* fetch = dynamic_cast<ChunkFetch*>(got)) {
    if (++exchanges_[&fetch->chunk()] > 1)
      complain("a chunk is fetched by two exchanges at a time");
    started = place_of(fetch->chunk());
    if (!started.has_value()) {
      // Where threads give way, before whoever opened the object could tell of it.
      if (options_.around_questions) complain("an exchange for a chunk that nobody knows");
      return;
    }
    if (note_) note_("start of " + name_of(*started->stream, started->index));
    const Chunk& chunk = fetch->chunk();
    const ChunkPhase phase = chunk.view().phase;
    if ((phase != ChunkPhase::kFilling && phase != ChunkPhase::kRefilling) ||
        chunk.writer_room() == 0)
      complain("an exchange was started without the memory for its chunk");
    // Of an object that is being opened little may be asked for.
    const bool is_open = started->stream->state() == StreamState::kOpen;
    if (is_open && chunk.length() != started->stream->chunk_length(started->index))
      complain("an exchange was started with memory for less than its chunk");
  }
  if (!options_.around_questions) return;
  check_evictions(started);
  if (started.has_value()) check_start(*started);
}

void InvariantWatch::note_hedge(Hedge& hedge) {
  const Hedged& hedged =
      hedges_[&hedge] = {key_of(hedge.request()), hedge.range().begin / options_.chunk_bytes};
  if (note_) note_("hedge of " + hedged.key + "[" + std::to_string(hedged.index) + "]");
  if (hedge.ticket_bytes() < hedge.range().size())
    complain("a hedge was started without the memory for it");
  // Where threads give way, two may have looked before either was counted.
  if (options_.around_questions &&
      load(counters_.hedges) * HedgeRule::kRequestsPerHedge > load(counters_.requests))
    complain("there are more hedges than 2 in 100 requests");
  check_hedges();
}

// An object may be open more than once, and a hedge does not tell for which stream it is: so many
// streams as fetch the chunk, so many hedges of it. A hedge that was cancelled is none any more.
void InvariantWatch::check_hedges() {
  std::map<std::pair<std::string, std::uint64_t>, int> allowed;
  for (const auto& [hedge, hedged] : hedges_) {
    if (hedge->cancelled()) continue;
    const auto [it, is_first] = allowed.try_emplace({hedged.key, hedged.index});
    if (is_first) {
      it->second = being_opened_[hedged.key];
      for (const auto& [sequence, watched] : streams_) {
        const std::shared_ptr<ObjectStream> stream = watched.weak.lock();
        if (stream != nullptr && stream->name().key == hedged.key &&
            hedged.index < slots_of(*stream) && stream->slot(hedged.index).work == Work::kInFlight)
          ++it->second;
      }
    }
    if (--it->second < 0)
      complain(hedged.key + "[" + std::to_string(hedged.index) +
               "] has more hedges than fetches in flight");
  }
}

void InvariantWatch::check_start(const Place& place) {
  Seen& seen = place.seen();
  const std::string name = name_of(*place.stream, place.index);
  const bool is_retry = seen.work == Work::kInFlight;
  const bool was_urgent = seen.work == Work::kUrgent;
  const bool needs_memory = !place.slot().in_region;
  if (busy_before_ >= options_.most_slots + kUrgentExtraSlots)
    complain(name + " was started with all slots taken, the urgent ones too");
  if (is_retry) {
    if (!seen.retry_counted) complain(name + " is fetched by two exchanges at a time");
    seen.retry_counted = false;
    return;
  }
  // It may have gone with an idle region just now, and be the first of the sweep again.
  if (seen.phase != ChunkPhase::kAbsent && !seen.has_region)
    complain(name + " is fetched though it is there");
  if (seen.was_fetched) ++refetched_;
  if (!was_urgent && busy_before_ >= options_.most_slots)
    complain(name + ", which nobody waits for, was started beyond the usual slots");
  if (!was_urgent && behind_before_)
    complain(name + ", which nobody waits for, was started on a thread that is behind");
  if (!was_urgent && needs_memory && budget_->free_bytes() < reserve_bytes_)
    complain(name + ", which nobody waits for, took memory of the reserve");
  // Whoever is in line now was so before.
  for_each_chunk([&](const Place& other) {
    if (other.slot().work != Work::kUrgent || !needs_memory) return;
    if (!was_urgent) {
      complain(name + ", which nobody waits for, was started before the urgent " +
               name_of(*other.stream, other.index));
    } else if (other.seen().urgent_since < seen.urgent_since) {
      complain("urgent " + name + " was started before " + name_of(*other.stream, other.index) +
               ", which was urgent before it");
    }
  });
  if (place.stream->state() != StreamState::kOpening) return;
  place.watched->first_asked = true;
  for (const auto& [sequence, other] : streams_) {
    const std::shared_ptr<ObjectStream> stream = other.weak.lock();
    if (sequence < place.stream->sequence() && stream != nullptr && !other.first_asked &&
        stream->state() == StreamState::kOpening && stream->slot(0).work == Work::kUrgent)
      complain("the first byte of " + name + " was asked for before that of " +
               name_of(*stream, 0) + ", which was opened before it");
  }
}

void InvariantWatch::check_evictions(const std::optional<Place>& started) {
  std::optional<std::pair<std::uint64_t, std::uint64_t>> first_unread;  // of the evicted
  bool evicted = false;
  for_each_chunk([&](const Place& place) {
    const Seen& seen = place.seen();
    if (seen.phase != ChunkPhase::kReady || place.slot().chunk.view().phase == ChunkPhase::kReady)
      return;
    const std::string name = name_of(*place.stream, place.index);
    evicted = true;
    if (note_) note_("eviction of " + name + (seen.consumed ? ", consumed" : ", unread"));
    if (seen.claims > 0) complain(name + " was evicted though a blocked read had claimed it");
    if (seen.pins > 0) complain(name + " was evicted while somebody copied from it");
    if (seen.has_region) return;  // all of it goes with its region
    if (seen.consumed) {
      ++evicted_consumed_;
    } else {
      ++evicted_unread_;
      place.watched->is_swept_again = true;
      if (!first_unread) first_unread = {place.stream->sequence(), place.index};
    }
  });
  if (!evicted) return;
  // What is evicted for one who then finds too little is for the first in line, if there is one.
  const bool is_lower = started.has_value() ? started->seen().work != Work::kUrgent
                                            : !first_in_line_needs().has_value();
  if (started.has_value()) {
    const std::uint64_t wanted = bytes_of(*started->stream, started->index);
    // The lower classes may have tried something larger first.
    if (!is_lower && !started->slot().in_region && free_before_ >= wanted)
      complain("something was evicted though there was memory enough for " +
               name_of(*started->stream, started->index));
  }
  if (!first_unread) return;
  reads_jump_ |= is_lower;
  if (is_lower && !started.has_value()) complain("something unread was evicted in vain");
  for_each_chunk([&](const Place& other) {
    if (!is_evictable(other) || other.slot().chunk.view().phase != ChunkPhase::kReady) return;
    if (other.seen().consumed) {
      complain("something unread was evicted, and " + name_of(*other.stream, other.index) +
               ", which is consumed, was not");
    } else if (std::pair{other.stream->sequence(), other.index} > *first_unread &&
               !(is_lower && (!started || other.stream == started->stream))) {
      complain("something unread was evicted, and " + name_of(*other.stream, other.index) +
               ", which is further in the order of open, was not");
    }
  });
}

// --- around an end ---

void InvariantWatch::before_end(Exchange& exchange, const ExchangeOutcome& outcome) {
  const auto* fetch = dynamic_cast<ChunkFetch*>(&exchange);
  if (fetch != nullptr) --exchanges_[&fetch->chunk()];
  if (const auto* hedge = dynamic_cast<Hedge*>(&exchange)) hedges_.erase(hedge);
  if (!options_.around_questions) return;
  look();
  ending_ = fetch == nullptr ? std::nullopt : place_of(fetch->chunk());
  retries_before_ = load(counters_.retries);
  may_go_uncounted_ = outcome.error == TransportError::kReset && outcome.reused_connection &&
                      !outcome.any_reply_byte;
}

void InvariantWatch::after_end() {
  if (!ending_.has_value() || !options_.around_questions) return;
  const Place place = *std::exchange(ending_, std::nullopt);
  if (note_) note_("end of an exchange of " + name_of(*place.stream, place.index));
  if (place.slot().work != Work::kInFlight) return;
  place.seen().retry_counted = load(counters_.retries) > retries_before_ || may_go_uncounted_;
}

// --- after a step, a turn, a run ---

void InvariantWatch::after_step() {
  ++step_;
  look();
  check_memory();
  check_hedges();
}

void InvariantWatch::check_memory() {
  const std::uint64_t used = budget_->used_bytes();
  if (used > budget_->limit_bytes()) complain("more memory is taken than the budget has");
  std::uint64_t held = 0;
  for (const auto& [hedge, hedged] : hedges_) held += hedge->range().size();
  for (auto& [sequence, watched] : streams_) {
    const bool has_view = watched.views > 0;
    if (has_view) held += watched.region_bytes;
    const std::shared_ptr<ObjectStream> stream = watched.weak.lock();
    if (stream == nullptr) continue;
    for (std::uint64_t i = 0; i < slots_of(*stream); ++i) {
      const ChunkSlot& slot = stream->slot(i);
      const ChunkPhase phase = slot.chunk.view().phase;
      if (phase == ChunkPhase::kAbsent || phase == ChunkPhase::kMoving) continue;
      if (slot.in_region) {
        // It is part of the view; or its region is gone, and its fetch about to be cancelled.
        if (has_view || scheduler_.views().region_of(*stream) == nullptr) continue;
      }
      held += slot.chunk.length();
    }
  }
  if (held > used)
    complain("chunks, hedges and views hold " + std::to_string(held) +
             " bytes, the budget knows of " + std::to_string(used));
}

void InvariantWatch::after_turn(const ShuffledTransport& transport,
                                const std::vector<const void*>& waiting, bool view_waits) {
  for_each_chunk([&](const Place& place) {
    const auto* const begin = reinterpret_cast<const std::byte*>(&place.slot().chunk);
    for (const void* word : waiting) {
      if (word < begin || word >= begin + sizeof(Chunk)) continue;
      const std::string name = name_of(*place.stream, place.index);
      const ChunkPhase phase = place.slot().chunk.view().phase;
      if (phase == ChunkPhase::kReady || phase == ChunkPhase::kFailed)
        complain("somebody waits for " + name + ", whose fetch has ended");
      if (phase == ChunkPhase::kAbsent && place.slot().work == Work::kNone)
        complain("somebody waits for " + name + ", which is neither in flight nor in line");
    }
  });

  int least_busy = transport.busy(0);
  for (int thread = 1; thread < transport.threads(); ++thread)
    least_busy = std::min(least_busy, transport.busy(thread));
  const std::uint64_t free = budget_->free_bytes();
  if (const auto needs = first_in_line_needs()) {
    if (least_busy < options_.least_slots + kUrgentExtraSlots &&
        *needs <= free + evictable_bytes(false))
      complain("the first in line for " + std::to_string(*needs) + " bytes waits, with " +
               std::to_string(free) + " bytes free, " + std::to_string(evictable_bytes(false)) +
               " to be had and a free slot");
    return;  // nothing else may start
  }
  if (least_busy >= options_.least_slots || view_waits || scheduler_.is_paused()) return;
  const TimePoint now = scheduler_.context().clock.now();
  bool is_first = true;
  for_each_chunk([&](const Place& place) {
    const ChunkSlot& slot = place.slot();
    if (place.stream->plan.pause.is_on(now)) return;
    if (place.stream->state() != StreamState::kOpen || place.stream->chunk_count() == 0 ||
        slot.work != Work::kNone || !slot.failure.is_ok() ||
        slot.chunk.view().phase != ChunkPhase::kAbsent)
      return;
    const std::uint64_t bytes = bytes_of(*place.stream, place.index);
    const bool is_swept = place.watched->is_swept || place.watched->is_swept_again;
    if (is_swept && is_first && !slot.chunk.handed_out_whole()) {
      is_first = false;
      // Decision 2: where reads jump, the sweep leaves a quarter of the budget alone.
      const std::uint64_t room =
          reads_jump_ ? options_.chunk_bytes + budget_->limit_bytes() / 4 : bytes;
      if (place.watched->is_swept && room + reserve_bytes_ <= free + evictable_bytes(true))
        complain("the first of the sweep, " + name_of(*place.stream, place.index) +
                 ", does not start, with a free slot, " + std::to_string(free) +
                 " bytes free and " + std::to_string(evictable_bytes(true)) + " consumed");
    }
    if (place.watched->read_through && *place.watched->read_through + 1 == place.index &&
        !place.seen().was_fetched && options_.chunk_bytes + reserve_bytes_ <= free)
      complain("the next of a reader, " + name_of(*place.stream, place.index) +
               ", does not start, with memory and a free slot");
  });
}

std::string InvariantWatch::where(const void* word) {
  std::string text = "not at a chunk";
  for_each_chunk([&](const Place& place) {
    const auto* const begin = reinterpret_cast<const std::byte*>(&place.slot().chunk);
    if (word < begin || word >= begin + sizeof(Chunk)) return;
    text = "at " + name_of(*place.stream, place.index) + ", work " +
           std::to_string(static_cast<int>(place.slot().work)) + ", phase " +
           std::to_string(static_cast<int>(place.slot().chunk.view().phase));
  });
  return text;
}

bool InvariantWatch::is_for_views_to_end() {
  const auto needs = first_in_line_needs();
  return any_view() && needs && *needs > budget_->free_bytes() + evictable_bytes(false);
}

void InvariantWatch::at_end(bool may_hold_streams) {
  for (const auto& [sequence, watched] : streams_) {
    if (!watched.weak.expired() && !may_hold_streams)
      complain("a closed stream lives on: #" + std::to_string(sequence));
    if (!watched.region.expired())
      complain("a view's region lives on: #" + std::to_string(sequence));
  }
  if (!hedges_.empty()) complain("a hedge did not end");
  if (budget_->used_bytes() != 0)
    complain(std::to_string(budget_->used_bytes()) + " bytes of the budget did not come back");
  if (budget_->peak_bytes() > budget_->limit_bytes()) complain("the budget was passed");
  if (scheduler_.memory_bytes() != 0) complain("memory_bytes() is not 0 with nothing open");
  if (options_.around_questions && load(counters_.refetches) != refetched_)
    complain("stats count " + std::to_string(load(counters_.refetches)) +
             " refetches, there were " + std::to_string(refetched_));
}

}  // namespace ossmc
