#include "prefetch/pieces.h"

#include <algorithm>
#include <utility>

namespace ossmc {

namespace {

// Chunks are claimed near their begin; else too much comes that nobody asked for.
constexpr std::uint32_t kNearBeginDivisor = 8;

std::uint64_t bytes_of(std::span<const StreamPart> parts) {
  std::uint64_t bytes = 0;
  for (const StreamPart& part : parts) bytes += part.second.size();
  return bytes;
}

bool is_whole(const ObjectStream& stream, const PlannedPiece& planned) {
  return planned.begin == 0 && planned.end == stream.chunk_length(planned.index);
}

std::vector<PlannedPiece> plan_parts(const ObjectStream& stream, std::span<const StreamPart> parts,
                                     std::uint64_t most_gap_bytes) {
  std::vector<WantedRange> ranges;
  ranges.reserve(parts.size());
  for (const auto& [offset, to] : parts) ranges.push_back({0, offset, to});
  return plan_pieces(std::move(ranges), stream.chunk_bytes(), most_gap_bytes);
}

// Nobody else fetches it meanwhile.
void hold_chunk(ObjectStream& stream, const Piece& piece) {
  ChunkSlot& slot = stream.slot(piece.index);
  slot.work = ChunkSlot::Work::kInPiece;
  slot.piece = &piece;
}

// The reader, or the sweep, gets there: what is left of the object to sweep.
std::uint64_t rest_bytes(const ObjectStream& stream) {
  return (stream.chunk_count() - std::min(stream.chunk_count(), stream.plan.sweep_next)) *
         stream.chunk_bytes();
}

}  // namespace

std::shared_ptr<const NearbyBytes> Pieces::nearby(const ObjectStream& stream,
                                                  std::uint64_t offset) const {
  MutexLock lock(state_.mutex);
  return stream.plan.nearby.at(offset);
}

PieceStart Pieces::start(const std::shared_ptr<ObjectStream>& stream,
                         std::span<const StreamPart> parts, const std::shared_ptr<PieceCall>& call,
                         const ReadOptions& options) {
  const bool by_cursor = options.sequential;
  PieceStart start;
  const std::uint64_t bytes = bytes_of(parts);
  const std::vector<PlannedPiece> planned =
      plan_parts(*stream, parts, state_.context.counters.line.bytes_per_round_trip());
  if (planned.empty()) return start;
  const StreamPart& first = parts.front();
  const std::uint64_t end = first.first + first.second.size();
  std::vector<ChunkFetch*> parked;
  bool sweep_goes_on = false;
  {
    MutexLock lock(state_.mutex);
    const auto first_cold = std::find_if(planned.begin(), planned.end(), [&](const auto& piece) {
      state_.mutex.assert_held();
      return is_cold(*stream, piece);
    });
    ColdRead cold;
    if (first_cold != planned.end()) {
      state_.note_use();
      std::uint64_t begin = first.first;
      // It goes through chunks that are on their way, and follows them.
      for (auto piece = planned.begin(); parts.size() == 1 && piece != first_cold; ++piece) {
        const std::uint64_t chunk_begin = stream->chunk_begin(piece->index);
        begin = chunk_begin + stream->chunk_length(piece->index);
        stream->plan.reads(by_cursor).on_chunk_read(chunk_begin, begin);
      }
      cold = note_cold_read(*stream, begin, end, by_cursor, &parked, &sweep_goes_on);
    }
    const PieceSizes& sizes = state_.options.pieces;
    const bool is_large =
        bytes >= (stream->prefetches() ? sizes.large_bytes : sizes.large_unprefetched_bytes);
    for (const PlannedPiece& piece : planned) {
      const bool is_near_begin = piece.begin <= stream->chunk_bytes() / kNearBeginDivisor;
      // Of a large read that follows, the rest of the last chunk is the first that is read ahead.
      const bool may_be_piece = is_large && is_whole(*stream, piece);
      const bool by_chunk = cold.way == ColdRead::Way::kChunks && is_near_begin && !may_be_piece;
      if (by_chunk || !is_cold(*stream, piece)) {
        for (const SinkPart& part : piece.parts)
          start.by_chunks.push_back({stream->chunk_begin(piece.index) + piece.begin + part.begin,
                                     {part.to, part.end - part.begin}});
        continue;
      }
      std::shared_ptr<Piece> made;
      if (planned.size() == 1 && parts.size() == 1)
        made = widen(stream, piece, cold.window_bytes, call, options.is_look, &start);
      if (start.window != nullptr) stream->plan.reads(by_cursor).on_window(start.window->end());
      if (made == nullptr)
        made = std::make_shared<Piece>(stream, piece.index, piece.begin, piece.end - piece.begin,
                                       piece.parts, call);
      if (made->is_whole()) hold_chunk(*stream, *made);
      start.pieces.push_back(std::move(made));
    }
    if (cold.reads_ahead)
      state_.positions.note_read(*stream, planned.back().index, state_.window_chunks(*stream));
    call->missing.fetch_add(static_cast<std::uint32_t>(start.pieces.size()),
                            std::memory_order_relaxed);
    state_.pieces.add(start.pieces);
  }
  finish_parked(parked);
  if (!start.pieces.empty() || !parked.empty() || sweep_goes_on) state_.wake();
  return start;
}

// Larger than it was asked for, or a look, into the stream's window; null: neither, or no room.
std::shared_ptr<Piece> Pieces::widen(const std::shared_ptr<ObjectStream>& stream,
                                     const PlannedPiece& planned, std::uint64_t window_bytes,
                                     const std::shared_ptr<PieceCall>& call, bool is_look,
                                     PieceStart* start) {
  const std::uint32_t wanted = planned.end - planned.begin;
  const auto length = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(std::max<std::uint64_t>(window_bytes, wanted),
                              stream->chunk_length(planned.index) - planned.begin));
  const bool is_kept = is_look && wanted <= ReadPattern::kMostWindowBytes;
  if (length == wanted && !is_kept) return nullptr;
  const std::uint64_t begin = stream->chunk_begin(planned.index) + planned.begin;
  stream->plan.nearby.drop_older();
  start->window = NearbyBytes::make(state_.nearby_room, begin, length);
  if (start->window == nullptr) return nullptr;
  return std::make_shared<Piece>(stream, planned.index, planned.begin, length,
                                 std::vector<SinkPart>{{0, length, start->window->data()}}, call);
}

ColdRead Pieces::note_cold_read(ObjectStream& stream, std::uint64_t begin, std::uint64_t end,
                                bool by_cursor, std::vector<ChunkFetch*>* parked,
                                bool* sweep_goes_on) {
  ObjectStream::Plan& plan = stream.plan;
  ReadPattern& pattern = plan.reads(by_cursor);
  const ColdRead cold = pattern.on_cold_read(begin, end, stream.chunk_bytes());
  const bool is_at_sweep = begin / stream.chunk_bytes() <= plan.sweep_next;
  if (is_at_sweep) pattern.forgive_jumps();
  if (cold.follows || is_at_sweep) {
    *sweep_goes_on = state_.positions.resume_sweep(stream);
    return cold;
  }
  plan.nearby.clear();
  if (plan.region != nullptr) return cold;
  if (!stream.prefetches()) state_.positions.end_reading(stream);
  if (plan.is_paced || rest_bytes(stream) <= state_.options.pieces.small_rest_bytes) return cold;
  state_.positions.hold_sweep(stream, pattern.jumps());
  *parked = state_.fetches.cancel_unclaimed(stream);
  return cold;
}

// Nothing of it is in memory, nobody has asked for it, and nothing that came of it before has to be
// compared with it whole.
bool Pieces::is_cold(ObjectStream& stream, const PlannedPiece& planned) {
  const ChunkSlot& slot = stream.slot(planned.index);
  const bool compares =
      slot.fetched_before && state_.context.verify_crc64 && !is_whole(stream, planned);
  const bool is_small = !stream.plan.is_paced && stream.chunk_length(planned.index) <=
                                                     state_.options.pieces.small_chunk_bytes;
  return stream.state() == StreamState::kOpen && stream.plan.region == nullptr && !compares &&
         !is_small && slot.work == ChunkSlot::Work::kNone && slot.claims == 0 &&
         slot.chunk.view().phase == ChunkPhase::kAbsent;
}

std::vector<std::shared_ptr<Piece>> Pieces::start_check(const std::shared_ptr<ObjectStream>& stream,
                                                        std::uint64_t first, std::uint64_t last,
                                                        const std::shared_ptr<PieceCall>& call) {
  std::vector<std::shared_ptr<Piece>> pieces;
  {
    MutexLock lock(state_.mutex);
    for (std::uint64_t index = first; index < last; ++index) {
      const std::uint32_t length = stream->chunk_length(index);
      if (!is_cold(*stream, {0, index, 0, length, {}})) continue;
      pieces.push_back(
          std::make_shared<Piece>(stream, index, 0, length, std::vector<SinkPart>(), call));
      hold_chunk(*stream, *pieces.back());
    }
    call->missing.fetch_add(static_cast<std::uint32_t>(pieces.size()), std::memory_order_relaxed);
    state_.pieces.add(pieces);
  }
  state_.wake();
  return pieces;
}

void Pieces::end(const PieceCall& call, std::span<const std::shared_ptr<Piece>> pieces,
                 bool handed_out) {
  std::vector<std::shared_ptr<Piece>> in_line;
  std::vector<ChunkFetch*> parked;
  const bool ends_some = call.missing.load(std::memory_order_relaxed) > 0;
  bool may_start = false;
  {
    MutexLock lock(state_.mutex);
    if (ends_some) in_line = state_.pieces.remove_call(call);
    for (const std::shared_ptr<Piece>& piece : pieces) {
      piece->is_given_up = true;
      may_start = end_piece_of(*piece, handed_out) || may_start;
    }
    if (ends_some) parked = state_.fetches.cancel_call(call);
  }
  finish_parked(parked);
  if (ends_some || may_start) state_.wake();
}

// True: others may start something of its chunk.
bool Pieces::end_piece_of(const Piece& piece, bool handed_out) {
  ObjectStream& stream = *piece.stream;
  ChunkSlot& slot = stream.slot(piece.index);
  if (handed_out && (piece.is_whole() || piece.begin <= slot.seen.bytes)) {
    slot.chunk.set_length(stream.chunk_length(piece.index));
    if (slot.chunk.mark_handed_out(piece.begin, piece.end())) {
      stream.verification.note_chunk_handed_out();
      state_.residency.mark_consumed(stream, piece.index);  // if it has come to memory meanwhile
      state_.budget->set_consumed_bytes(state_.residency.consumed_bytes());
    }
  }
  const bool is_held = slot.piece == &piece;
  if (is_held) slot.leave_piece();
  if (!piece.is_whole() || stream.is_closed()) return false;
  if (!handed_out) {
    state_.positions.fetch_again(stream, piece.index);
  } else if (!stream.plan.is_paced) {
    // What is read ahead lies behind it.
    state_.positions.note_read(stream, piece.index, state_.window_chunks(stream));
  }
  if (is_held && slot.claims > 0) state_.urgent.add_claimed(stream, piece.index);
  return true;
}

void Pieces::finish_parked(const std::vector<ChunkFetch*>& parked) {
  for (ChunkFetch* const fetch : parked)
    owner_.on_finished(*fetch, Status(StatusCode::kClosed, "nobody waits for it any more"));
}

void Pieces::keep_window(ObjectStream& stream, std::shared_ptr<const NearbyBytes> window) {
  MutexLock lock(state_.mutex);
  if (!stream.is_closed()) stream.plan.nearby.add(std::move(window));
}

}  // namespace ossmc
