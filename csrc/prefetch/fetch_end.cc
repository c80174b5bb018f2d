#include "prefetch/fetch_end.h"

#include <utility>

namespace ossmc {

void FetchEnd::finish(ChunkFetch& fetch, const Status& status) {
  After after;
  FetchBook::Entry entry;  // destroyed last: `fetch` and `status` may live in it
  const bool is_version_only =
      fetch.first_reply() == ChunkFetch::FirstReply::kVersionOnly && status.is_ok();
  const ObjectVersion version = is_version_only ? fetch.learnt() : ObjectVersion();
  {
    MutexLock lock(state_.mutex);
    entry = state_.fetches.end(fetch);
    ObjectStream& stream = *entry.stream;
    ChunkSlot& slot = stream.slot(entry.index);
    slot.work = ChunkSlot::Work::kNone;
    after.openers_wait = stream.state() == StreamState::kOpening;
    if (is_version_only) {
      put_down_version(entry, &after);
    } else if (status.is_ok()) {
      put_down_bytes(entry, &after);
    } else {
      put_down_failure(entry, fetch, status, &after);
    }
    if (stream.is_closed()) {
      if (slot.chunk.view().phase != ChunkPhase::kAbsent) state_.leftovers.add(stream, entry.index);
      take_region(stream, &after.freed);
    }
  }
  if (after.waited_for != nullptr) after.waited_for->notify();
  if (after.is_last_crc) pass_verdict(*entry.stream);
  if (is_version_only) {
    objects_.complete(*entry.stream, version);
  } else if (after.openers_wait) {
    entry.stream->wake_openers();
  }
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
  const TimePoint now = state_.context.clock.now();
  const bool ends_pause = state_.pause.on_success(now);
  after->others_may_start = stream.plan.pause.on_success(now) || ends_pause;
  if (slot.chunk.finish_quietly()) after->waited_for = &slot.chunk;
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

// Of an object whose first request was answered 416 (it may be empty), or, where little was asked
// for, by more (the store ignores ranges).
bool FetchEnd::asks_head(const ChunkFetch& fetch) const {
  const bool asked_for_little = fetch.chunk().length() < state_.options.chunk_bytes;
  return fetch.first_reply() == ChunkFetch::FirstReply::kNoRange ||
         (fetch.first_reply() == ChunkFetch::FirstReply::kTooLong && asked_for_little);
}

}  // namespace ossmc
