#include "csrc/prefetch/question_watch.h"

#include <algorithm>
#include <utility>

#include "fetch/chunk_fetch.h"
#include "memory/range_sink.h"
#include "prefetch/hedge_rule.h"
#include "prefetch/piece.h"
#include "support/csrc/fake_transport.h"

namespace ossmc {

namespace {

// Decision 2: "a reserve of max(2 chunks, 1/16 of the budget), at most half of it".
std::uint64_t reserve_of(std::uint64_t budget_bytes, std::uint64_t chunk_bytes) {
  return std::min(std::max(2 * chunk_bytes, budget_bytes / 16), budget_bytes / 2);
}

}  // namespace

QuestionWatch::QuestionWatch(const WatchOptions& options, WatchedStreams& streams,
                             std::shared_ptr<Budget> budget, const Counters& counters,
                             std::function<void(const std::string&)> complain,
                             std::function<void(const std::string&)> note)
    : options_(options),
      streams_(streams),
      budget_(std::move(budget)),
      full_bytes_(budget_->limit_bytes()),
      counters_(counters),
      complain_(std::move(complain)),
      note_(std::move(note)),
      reads_jump_(!options.around_questions) {}

// Of the limit as it is now: the system may have refused some.
std::uint64_t QuestionWatch::reserve_bytes() const {
  return reserve_of(budget_->limit_bytes(), options_.chunk_bytes);
}

std::uint64_t QuestionWatch::hedge_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [hedge, hedged] : hedges_) bytes += hedge->range().size();
  return bytes;
}

// --- around a question ---

void QuestionWatch::before_ask(int busy, bool behind) {
  busy_before_ = busy;
  behind_before_ = behind;
  if (!options_.around_questions) return;
  streams_.look();
  free_before_ = budget_->free_bytes();
  if (options_.memory != nullptr) refusals_before_ = options_.memory->refusals();
}

void QuestionWatch::after_ask(Exchange* got) {
  std::optional<Place> started;
  if (got == nullptr && note_)
    note_("nothing to start with " + std::to_string(busy_before_) + " busy");
  if (auto* const hedge = dynamic_cast<Hedge*>(got)) note_hedge(*hedge);
  if (auto* const fetch = dynamic_cast<ChunkFetch*>(got)) {
    const bool is_piece = dynamic_cast<const RangeSink*>(&fetch->sink()) != nullptr;
    started = note_start(*fetch);
    if (!started.has_value() && !is_piece) return;
  }
  if (!options_.around_questions) return;
  check_evictions(started);
  if (started.has_value()) check_start(*started);
}

void QuestionWatch::note_piece(ChunkFetch& fetch) {
  const std::string key = key_of(fetch.request());
  const std::uint64_t begin = std::stoull(header_of(fetch.request(), "Range").substr(6));
  ++pieces_[{key, begin / options_.chunk_bytes}];
  ++found_.pieces;
  if (note_) note_("start of a piece of " + key + " at " + std::to_string(begin));
  const std::optional<Place> whole = streams_.place_of_piece(fetch.sink());
  if (whole.has_value() && whole->slot().chunk.view().phase != ChunkPhase::kAbsent)
    complain("a call receives " + chunk_name(*whole->stream, whole->index) +
             ", of which something is there");
  if (!options_.around_questions) return;
  if (busy_before_ >= options_.most_slots + kUrgentExtraSlots)
    complain("a piece of " + key + " was started with all slots taken, the urgent ones too");
  if (!whole.has_value() || whole->seen().piece == whole->slot().piece) return;
  ++found_.whole_pieces;
  whole->seen().piece = whole->slot().piece;
  if (whole->seen().was_fetched) ++found_.refetched;
}

std::optional<QuestionWatch::Place> QuestionWatch::note_start(ChunkFetch& fetch) {
  if (++exchanges_[&fetch.sink()] > 1) complain("a chunk is fetched by two exchanges at a time");
  if (dynamic_cast<const RangeSink*>(&fetch.sink()) != nullptr) {
    note_piece(fetch);
    return std::nullopt;
  }
  const std::optional<Place> started = streams_.place_of(fetch.sink());
  if (!started.has_value()) {
    // Where threads give way, before whoever opened the object could tell of it.
    if (options_.around_questions) complain("an exchange for a chunk that nobody knows");
    return started;
  }
  if (note_) note_("start of " + chunk_name(*started->stream, started->index));
  const Chunk& chunk = started->slot().chunk;
  const ChunkPhase phase = chunk.view().phase;
  if ((phase != ChunkPhase::kFilling && phase != ChunkPhase::kRefilling) ||
      chunk.writer_room() == 0)
    complain("an exchange was started without the memory for its chunk");
  // Of an object that is being opened little may be asked for.
  const bool is_open = started->stream->state() == StreamState::kOpen;
  if (is_open && chunk.length() != started->stream->chunk_length(started->index))
    complain("an exchange was started with memory for less than its chunk");
  return started;
}

void QuestionWatch::note_hedge(Hedge& hedge) {
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
void QuestionWatch::check_hedges() {
  // Where threads give way, a piece may be slow before whoever picked it could tell of it.
  if (!options_.around_questions) return;
  std::map<std::pair<std::string, std::uint64_t>, int> allowed;
  for (const auto& [hedge, hedged] : hedges_) {
    if (hedge->cancelled()) continue;
    const auto [it, is_first] = allowed.try_emplace({hedged.key, hedged.index});
    if (is_first) {
      const auto pieces = pieces_.find(it->first);
      it->second =
          streams_.being_opened(hedged.key) + (pieces == pieces_.end() ? 0 : pieces->second);
      for (const auto& [sequence, watched] : streams_.all()) {
        const std::shared_ptr<ObjectStream> stream = watched.weak.lock();
        if (stream != nullptr && stream->name().key == hedged.key &&
            hedged.index < WatchedStreams::slots_of(*stream) &&
            stream->slot(hedged.index).work == Work::kInFlight)
          ++it->second;
      }
    }
    if (--it->second < 0)
      complain(hedged.key + "[" + std::to_string(hedged.index) +
               "] has more hedges than fetches in flight");
  }
}

void QuestionWatch::check_start(const Place& place) {
  Seen& seen = place.seen();
  const std::string name = chunk_name(*place.stream, place.index);
  const bool was_urgent = seen.work == Work::kUrgent;
  if (busy_before_ >= options_.most_slots + kUrgentExtraSlots)
    complain(name + " was started with all slots taken, the urgent ones too");
  if (seen.work == Work::kInFlight) {
    if (!seen.retry_counted) complain(name + " is fetched by two exchanges at a time");
    seen.retry_counted = false;
    return;
  }
  // It may have gone with an idle region just now, or for memory that the system refused, and be
  // the first of the sweep again.
  if (seen.phase != ChunkPhase::kAbsent && !seen.has_region && !memory_was_refused())
    complain(name + " is fetched though it is there");
  if (seen.was_fetched) ++found_.refetched;
  if (!was_urgent && busy_before_ >= options_.most_slots)
    complain(name + ", which nobody waits for, was started beyond the usual slots");
  if (!was_urgent && behind_before_)
    complain(name + ", which nobody waits for, was started on a thread that is behind");
  if (!was_urgent && !place.slot().in_region && budget_->free_bytes() < reserve_bytes())
    complain(name + ", which nobody waits for, took memory of the reserve");
  check_order(place);
}

void QuestionWatch::check_order(const Place& place) {
  const std::string name = chunk_name(*place.stream, place.index);
  const bool was_urgent = place.seen().work == Work::kUrgent;
  // Whoever is in line now was so before.
  streams_.for_each_chunk([&](const Place& other) {
    if (other.slot().work != Work::kUrgent || place.slot().in_region) return;
    if (!was_urgent) {
      complain(name + ", which nobody waits for, was started before the urgent " +
               chunk_name(*other.stream, other.index));
    } else if (other.seen().urgent_since < place.seen().urgent_since) {
      complain("urgent " + name + " was started before " + chunk_name(*other.stream, other.index) +
               ", which was urgent before it");
    }
  });
  if (place.stream->state() != StreamState::kOpening) return;
  place.watched->first_asked = true;
  for (const auto& [sequence, other] : streams_.all()) {
    const std::shared_ptr<ObjectStream> stream = other.weak.lock();
    if (sequence < place.stream->sequence() && stream != nullptr && !other.first_asked &&
        stream->state() == StreamState::kOpening && stream->slot(0).work == Work::kUrgent)
      complain("the first byte of " + name + " was asked for before that of " +
               chunk_name(*stream, 0) + ", which was opened before it");
  }
}

// Then it started something that came to nothing, and what this cost was not in vain.
bool QuestionWatch::memory_was_refused() const {
  return options_.memory != nullptr && options_.memory->refusals() > refusals_before_;
}

void QuestionWatch::check_evictions(const std::optional<Place>& started) {
  std::optional<std::pair<std::uint64_t, std::uint64_t>> first_unread;  // of the evicted
  bool evicted = false;
  streams_.for_each_chunk([&](const Place& place) {
    const Seen& seen = place.seen();
    if (seen.phase != ChunkPhase::kReady || place.slot().chunk.view().phase == ChunkPhase::kReady)
      return;
    const std::string name = chunk_name(*place.stream, place.index);
    evicted = true;
    if (note_) note_("eviction of " + name + (seen.consumed ? ", consumed" : ", unread"));
    if (seen.claims > 0 && budget_->limit_bytes() == full_bytes_)
      complain(name + " was evicted though a blocked read had claimed it");
    if (seen.pins > 0) complain(name + " was evicted while somebody copied from it");
    if (seen.has_region) return;  // all of it goes with its region
    if (seen.consumed) {
      ++found_.evicted_consumed;
    } else {
      ++found_.evicted_unread;
      place.watched->is_swept_again = true;
      if (!first_unread) first_unread = {place.stream->sequence(), place.index};
    }
  });
  if (!evicted) return;
  // What is evicted for one who then finds too little is for the first in line, if there is one.
  const bool is_lower = started.has_value() ? started->seen().work != Work::kUrgent
                                            : !streams_.first_in_line_needs().has_value();
  if (memory_was_refused()) {
    reads_jump_ |= first_unread.has_value();
    return;
  }
  if (started.has_value()) {
    const std::uint64_t wanted = streams_.bytes_of(*started->stream, started->index);
    // The lower classes may have tried something larger first. What was read may go before fresh
    // memory is taken.
    if (!is_lower && !started->slot().in_region && free_before_ >= wanted && first_unread)
      complain("something unread was evicted though there was memory enough for " +
               chunk_name(*started->stream, started->index));
  }
  if (first_unread) check_unread_evictions(*first_unread, is_lower, started);
}

void QuestionWatch::check_unread_evictions(std::pair<std::uint64_t, std::uint64_t> first,
                                           bool is_lower, const std::optional<Place>& started) {
  reads_jump_ |= is_lower;
  if (is_lower && !started.has_value()) complain("something unread was evicted in vain");
  streams_.for_each_chunk([&](const Place& other) {
    if (!WatchedStreams::is_evictable(other) ||
        other.slot().chunk.view().phase != ChunkPhase::kReady)
      return;
    if (other.seen().consumed) {
      complain("something unread was evicted, and " + chunk_name(*other.stream, other.index) +
               ", which is consumed, was not");
    } else if (std::pair{other.stream->sequence(), other.index} > first &&
               !(is_lower && (!started || other.stream == started->stream))) {
      complain("something unread was evicted, and " + chunk_name(*other.stream, other.index) +
               ", which is further in the order of open, was not");
    }
  });
}

// --- around an end ---

void QuestionWatch::before_end(Exchange& exchange, const ExchangeOutcome& outcome) {
  auto* const fetch = dynamic_cast<ChunkFetch*>(&exchange);
  if (fetch != nullptr) --exchanges_[&fetch->sink()];
  const bool is_piece =
      fetch != nullptr && dynamic_cast<const RangeSink*>(&fetch->sink()) != nullptr;
  if (is_piece && (fetch->sink().writer_room() > 0 || outcome.error != TransportError::kNone))
    streams_.piece_failed(key_of(fetch->request()));
  if (const auto* hedge = dynamic_cast<Hedge*>(&exchange)) hedges_.erase(hedge);
  if (!options_.around_questions) return;
  streams_.look();
  ending_ = fetch == nullptr ? std::nullopt : streams_.place_of(fetch->sink());
  retries_before_ = load(counters_.retries);
  may_go_uncounted_ = outcome.error == TransportError::kReset && outcome.reused_connection &&
                      !outcome.any_reply_byte;
}

void QuestionWatch::after_end() {
  if (!ending_.has_value() || !options_.around_questions) return;
  const Place place = *std::exchange(ending_, std::nullopt);
  if (note_) note_("end of an exchange of " + chunk_name(*place.stream, place.index));
  if (place.slot().work != Work::kInFlight) return;
  place.seen().retry_counted = load(counters_.retries) > retries_before_ || may_go_uncounted_;
}

}  // namespace ossmc
