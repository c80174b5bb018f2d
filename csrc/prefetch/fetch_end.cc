#include "prefetch/fetch_end.h"

#include <algorithm>
#include <utility>

#include "base/crc64.h"

namespace ossmc {

namespace {

// Of a chunk, how many parts that came elsewhere are compared with it when it comes whole.
constexpr std::size_t kMostSeenParts = 64;

}  // namespace

void FetchEnd::finish(ChunkFetch& fetch, const Status& status) {
  After after;
  FetchBook::Entry entry;  // destroyed last: `fetch` and `status` may live in it
  const bool is_version_only =
      fetch.first_reply() == ChunkFetch::FirstReply::kVersionOnly && status.is_ok();
  const ObjectVersion version = is_version_only ? fetch.learnt() : ObjectVersion();
  const bool is_given_up = fetch.is_given_up();
  {
    MutexLock lock(state_.mutex);
    entry = state_.fetches.end(fetch);
    ObjectStream& stream = *entry.stream;
    ChunkSlot& slot = stream.slot(entry.index);
    if (entry.piece == nullptr) slot.work = ChunkSlot::Work::kNone;
    after.openers_wait = stream.state() == StreamState::kOpening && entry.piece == nullptr;
    if (entry.piece != nullptr) {
      entry.piece->needs_head = !status.is_ok() && asks_head(fetch);
      put_down_piece(entry, is_version_only, status, &after);
    } else if (is_given_up && !status.is_ok() && stream.state() == StreamState::kOpen) {
      put_down_given_up(entry, &after);
    } else if (is_version_only) {
      put_down_version(entry, &after);
    } else if (status.is_ok()) {
      put_down_bytes(entry, &after);
    } else {
      put_down_failure(entry, fetch, status, &after);
    }
    if (stream.is_closed() && entry.piece == nullptr) {
      if (slot.chunk.view().phase != ChunkPhase::kAbsent) state_.leftovers.add(stream, entry.index);
      take_region(stream, &after.freed);
    }
  }
  // Before its end: who waits for that finds the verdict, and the version.
  if (after.is_last_crc) pass_verdict(*entry.stream);
  if (is_version_only) objects_.complete(*entry.stream, version);
  if (entry.piece != nullptr) end_piece(*entry.piece, status);
  if (after.waited_for != nullptr) after.waited_for->notify();
  if (!is_version_only && after.openers_wait) entry.stream->wake_openers();
  // Its hedge is to see that it was cancelled, or its memory is free.
  const bool others_may_start = after.others_may_start || entry.hedge_runs ||
                                entry.fetch->hedge() != nullptr || !after.freed.empty();
  entry.fetch = nullptr;
  after.freed = {};  // who is woken below shall find it
  state_.memory_signal.move();
  if (others_may_start) state_.wake();
  objects_.ask_heads(std::move(after.heads));
}

bool FetchEnd::finish_hedge(ChunkFetch& fetch, bool whole) {
  std::unique_ptr<ChunkFetch> ended;  // without the mutex: its memory goes back
  std::unique_ptr<Hedge> in_vain;
  bool ends_parked = false;
  {
    MutexLock lock(state_.mutex);
    FetchBook::Entry& entry = state_.fetches.at(fetch);
    ended = state_.fetches.end_hedge(fetch);
    if (ended == nullptr && whole) {
      fetch.use_hedge();
      ends_parked = entry.is_parked;
      state_.fetches.unpark(entry, entry.started_at);
    } else if (ended == nullptr) {
      in_vain = fetch.take_hedge();
    }
  }
  ended = nullptr;
  in_vain = nullptr;
  // Also for the exchange in progress, which ends when it sees that it is not needed any more.
  state_.note_memory();
  return ends_parked;
}

void FetchEnd::put_down_bytes(const FetchBook::Entry& entry, After* after) {
  ObjectStream& stream = *entry.stream;
  ChunkSlot& slot = stream.slot(entry.index);
  after->others_may_start = state_.note_success(stream);
  if (slot.chunk.finish_quietly()) after->waited_for = &slot.chunk;
  if (!stream.is_closed())
    state_.arrivals.note_placed(stream, slot.chunk.length(), slot.fetched_before);
  const bool is_in_object = entry.index < stream.chunk_count();
  if (is_in_object && !slot.fetched_before) {
    slot.fetched_before = true;
    slot.seen = {slot.chunk.length(), slot.chunk.writer_crc()};
    after->is_last_crc = stream.verification.note_crc_known();
  }
  if (stream.is_closed() || !is_in_object) {
    take_chunk(stream, entry.index, &after->freed);
  } else if (!entry.in_region) {
    state_.residency.add(stream, entry.index);
    // In the memory of a chunk that was read as it arrived.
    if (state_.admission.is_starved() && slot.chunk.handed_out_whole())
      after->others_may_start = true;
  }
}

// What came of the chunk elsewhere is known by its CRC-64 (SeenBefore).
void FetchEnd::put_down_piece(const FetchBook::Entry& entry, bool is_version_only,
                              const Status& status, After* after) {
  ObjectStream& stream = *entry.stream;
  Piece& piece = *entry.piece;
  piece.has_ended = true;
  if (stream.is_closed() || piece.is_given_up) return;
  ChunkSlot& slot = stream.slot(entry.index);
  // Its call may go on for long, or wait for a chunk that the one who claims this one receives.
  if (slot.piece == &piece && slot.claims > 0) {
    slot.leave_piece();
    state_.urgent.add_claimed(stream, entry.index);
    after->others_may_start = true;
  }
  if (!status.is_ok()) {
    state_.note_pause(stream, status);
    return;
  }
  if (state_.note_success(stream)) after->others_may_start = true;
  if (!is_version_only)
    state_.arrivals.note_placed(stream, piece.sink.length(), slot.fetched_before);
  if (!state_.context.verify_crc64 || is_version_only) return;
  const std::uint64_t crc = piece.sink.writer_crc();
  const bool is_first_time = !slot.fetched_before;
  // What fetches the chunk does not know of the piece.
  const bool is_fetched = slot.fetched_before || slot.work == ChunkSlot::Work::kInFlight ||
                          slot.work == ChunkSlot::Work::kInPiece;
  if (piece.is_whole()) {
    slot.fetched_before = true;
    slot.seen = {piece.end(), crc};
  } else if (!is_fetched && piece.begin == slot.seen.bytes) {
    slot.seen = {piece.end(), crc64_combine(slot.seen.crc, crc, piece.sink.length())};
    slot.fetched_before = slot.seen.bytes == stream.chunk_length(entry.index);
    // The chunk need not come whole any more.
    if (slot.fetched_before && !slot.seen_parts.empty()) stream.verification.note_unchecked();
  } else if (!is_fetched && slot.seen_parts.size() < kMostSeenParts) {
    slot.seen_parts.push_back({piece.begin, piece.end(), crc});
  } else {
    stream.verification.note_unchecked();
  }
  if (is_first_time && slot.fetched_before)
    after->is_last_crc = stream.verification.note_crc_known();
}

// It was ended for its object is not to be fetched ahead any more. Who wants it since then has it
// asked for again.
void FetchEnd::put_down_given_up(const FetchBook::Entry& entry, After* after) {
  ObjectStream& stream = *entry.stream;
  ChunkSlot& slot = stream.slot(entry.index);
  const Chunk::View view = slot.chunk.view();
  if (view.phase == ChunkPhase::kFilling && view.filled > slot.seen.bytes)
    slot.seen = {view.filled, slot.chunk.writer_crc()};
  if (slot.chunk.fail_quietly()) after->waited_for = &slot.chunk;
  slot.was_given_up = true;
  const bool is_gone = take_chunk(stream, entry.index, &after->freed);
  if (!is_gone && !entry.in_region) state_.residency.add_failed(stream, entry.index);
  stream.plan.sweep_next = std::min(stream.plan.sweep_next, entry.index);
  if (slot.claims == 0) return;
  after->others_may_start = true;
  if (is_gone) state_.urgent.add_claimed(stream, entry.index);
}

// The object is known, its first chunk is fetched when there is memory for it.
void FetchEnd::put_down_version(const FetchBook::Entry& entry, After* after) {
  state_.pause.on_success(state_.context.clock.now());
  static_cast<void>(entry.stream->slot(0).chunk.fail_quietly());  // nobody can wait for it
  take_chunk(*entry.stream, 0, &after->freed);
}

void FetchEnd::put_down_failure(const FetchBook::Entry& entry, const ChunkFetch& fetch,
                                const Status& status, After* after) {
  ObjectStream& stream = *entry.stream;
  ChunkSlot& slot = stream.slot(entry.index);
  if (after->openers_wait && asks_head(fetch)) {
    stream.plan.range_was_refused = fetch.first_reply() == ChunkFetch::FirstReply::kNoRange;
    after->openers_wait = false;
    after->heads.push_back(entry.stream);
  } else {
    if (after->openers_wait) stream.become_failed(status);
    state_.note_failure(stream, entry.index, status);
  }
  const Chunk::View view = slot.chunk.view();
  if (view.phase == ChunkPhase::kFilling && view.filled > 0)
    slot.seen = {view.filled, slot.chunk.writer_crc()};
  if (slot.chunk.fail_quietly()) after->waited_for = &slot.chunk;
  const bool is_gone = take_chunk(stream, entry.index, &after->freed);
  if (!is_gone && !entry.in_region && !stream.is_closed() && entry.index < stream.chunk_count())
    state_.residency.add_failed(stream, entry.index);
}

// Of an object whose first request was answered 416 (it may be empty), by bytes of nobody knows how
// many, or, where little was asked for, by more (the store ignores ranges).
bool FetchEnd::asks_head(const ChunkFetch& fetch) const {
  const bool asked_for_little = fetch.sink().length() < state_.options.chunk_bytes;
  return fetch.first_reply() == ChunkFetch::FirstReply::kNoRange ||
         fetch.first_reply() == ChunkFetch::FirstReply::kNoSize ||
         (fetch.first_reply() == ChunkFetch::FirstReply::kTooLong && asked_for_little);
}

}  // namespace ossmc
