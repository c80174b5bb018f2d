#include "csrc/prefetch/watched_streams.h"

#include "prefetch/piece.h"

namespace ossmc {

std::string chunk_name(const ObjectStream& stream, std::uint64_t index) {
  return stream.name().key + "#" + std::to_string(stream.sequence()) + "[" + std::to_string(index) +
         "]";
}

void WatchedStreams::opened(const std::shared_ptr<ObjectStream>& stream, bool is_swept) {
  Watched& watched = streams_[stream->sequence()];
  watched.weak = stream;
  if (int& waiting = being_opened_[stream->name().key]; waiting > 0) --waiting;
  watched.is_swept = is_swept;
  watched.is_swept_again = !options_.around_questions;  // it may be, unseen
}

void WatchedStreams::read_through(const ObjectStream& stream, std::optional<std::uint64_t> index) {
  streams_[stream.sequence()].read_through = index;
}

void WatchedStreams::piece_failed(const std::string& key) {
  for (auto& [sequence, watched] : streams_) {
    const std::shared_ptr<ObjectStream> stream = watched.weak.lock();
    if (stream == nullptr || stream->name().key != key) continue;
    watched.is_swept_again = watched.is_swept_again || watched.is_swept;
    watched.is_swept = false;
    watched.read_through.reset();
  }
}

int WatchedStreams::sweeps_ended() const {
  return static_cast<int>(std::count_if(streams_.begin(), streams_.end(),
                                        [](const auto& entry) { return entry.second.left_sweep; }));
}

void WatchedStreams::view_made(std::uint64_t sequence, const std::shared_ptr<ViewRegion>& region) {
  Watched& watched = streams_[sequence];
  watched.region = region;
  watched.region_bytes = region->size();
  ++watched.views;
}

bool WatchedStreams::any_view() const {
  return std::any_of(streams_.begin(), streams_.end(),
                     [](const auto& entry) { return entry.second.views > 0; });
}

std::string WatchedStreams::where(const void* word) {
  std::string text = "not at a chunk";
  for_each_chunk([&](const Place& place) {
    const auto* const begin = reinterpret_cast<const std::byte*>(&place.slot().chunk);
    if (word < begin || word >= begin + sizeof(Chunk)) return;
    text = "at " + chunk_name(*place.stream, place.index) + ", work " +
           std::to_string(static_cast<int>(place.slot().work)) + ", phase " +
           std::to_string(static_cast<int>(place.slot().chunk.view().phase));
  });
  return text;
}

void WatchedStreams::look() {
  for_each_chunk([](const Place& place) {
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
    seen.has_region = place.stream->plan.region != nullptr;
    // By a call that received it, too.
    if (view.phase == ChunkPhase::kReady || slot.fetched_before) seen.was_fetched = true;
    if (slot.piece != seen.piece) seen.piece = nullptr;
    // Decision 10: an object whose reads jump leaves the sweep.
    if (place.stream->prefetches() && place.stream->plan.is_paced) {
      place.watched->left_sweep = true;
      place.watched->is_swept = false;
    }
    // Decision 2: an object that cannot be fetched any more leaves the lower classes.
    if (!slot.failure.is_ok()) {
      place.watched->is_swept = false;
      place.watched->read_through.reset();
    }
  });
}

std::optional<WatchedStreams::Place> WatchedStreams::place_of(const ByteSink& sink) {
  for (auto& [sequence, watched] : streams_) {
    const std::shared_ptr<ObjectStream> stream = watched.weak.lock();
    if (stream == nullptr) continue;
    watched.chunks.resize(std::max<std::size_t>(watched.chunks.size(), slots_of(*stream)));
    for (std::uint64_t i = 0; i < slots_of(*stream); ++i) {
      if (&stream->slot(i).chunk == &sink) return Place{&watched, stream, i};
    }
  }
  return std::nullopt;
}

std::optional<WatchedStreams::Place> WatchedStreams::place_of_piece(const ByteSink& sink) {
  for (auto& [sequence, watched] : streams_) {
    const std::shared_ptr<ObjectStream> stream = watched.weak.lock();
    if (stream == nullptr) continue;
    watched.chunks.resize(std::max<std::size_t>(watched.chunks.size(), slots_of(*stream)));
    for (std::uint64_t i = 0; i < slots_of(*stream); ++i) {
      const Piece* const piece = stream->slot(i).piece;
      if (piece != nullptr && &piece->sink == &sink) return Place{&watched, stream, i};
    }
  }
  return std::nullopt;
}

std::uint64_t WatchedStreams::bytes_of(const ObjectStream& stream, std::uint64_t index) const {
  return options_.pool->block_bytes(
      stream.state() == StreamState::kOpen ? stream.chunk_length(index) : options_.chunk_bytes);
}

bool WatchedStreams::is_evictable(const Place& place) {
  const Chunk::View view = place.slot().chunk.view();
  return (view.phase == ChunkPhase::kReady || view.phase == ChunkPhase::kFailed) &&
         view.pins == 0 && place.slot().claims == 0 && place.stream->plan.region == nullptr;
}

std::uint64_t WatchedStreams::evictable_bytes(bool consumed_only) {
  std::uint64_t bytes = 0;
  for_each_chunk([&](const Place& place) {
    if (is_evictable(place) && (!consumed_only || place.slot().chunk.handed_out_whole()))
      bytes += place.slot().chunk.ticket_bytes();
  });
  return bytes;
}

std::uint64_t WatchedStreams::unread_bytes() {
  std::uint64_t bytes = 0;
  for_each_chunk([&](const Place& place) {
    const Chunk& chunk = place.slot().chunk;
    if (chunk.view().phase == ChunkPhase::kReady && !place.slot().in_region &&
        !chunk.handed_out_whole())
      bytes += chunk.ticket_bytes();
  });
  return bytes;
}

std::optional<std::uint64_t> WatchedStreams::first_in_line_needs() {
  std::optional<std::uint64_t> needs;
  std::uint64_t since = UINT64_MAX;
  for_each_chunk([&](const Place& place) {
    if (place.slot().work != Work::kUrgent || place.seen().urgent_since > since) return;
    // Of those that came in one step, whichever was first: the largest.
    if (place.seen().urgent_since < since) needs = 0;
    since = place.seen().urgent_since;
    // An open is never in line for memory: it is asked for with HEAD then.
    const bool has_memory =
        place.stream->state() == StreamState::kOpening || place.stream->plan.region != nullptr;
    if (!has_memory) needs = std::max(*needs, bytes_of(*place.stream, place.index));
  });
  return needs;
}

}  // namespace ossmc
