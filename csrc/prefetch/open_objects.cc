#include "prefetch/open_objects.h"

#include <string>
#include <utility>

#include "prefetch/head_request.h"

namespace ossmc {

namespace {

// plan.range_was_refused does not change once a HEAD was sent.
AskedVersion asked_version(const ObjectStream& stream, const StoreEvidence& store) {
  return {.id = stream.name().version_id,
          .listed = stream.listed(),
          .is_empty = stream.plan.range_was_refused,
          .replier = store.replier()};
}

}  // namespace

OpenObjects::StreamPtr OpenObjects::add(ObjectName name, StreamOptions options) {
  auto stream = std::make_shared<ObjectStream>(std::move(name), state_.next_sequence++,
                                               state_.options.chunk_bytes, std::move(options));
  if (!state_.closed) state_.streams.emplace(stream->sequence(), stream);
  return stream;
}

OpenObjects::StreamPtr OpenObjects::open(ObjectName name, StreamOptions options) {
  if (!options.prefetches && options.listed)
    return open_listed(std::move(name), std::move(options));
  // Of an empty object a GET brings nothing but an error.
  const bool asks_head = !options.prefetches || (options.listed && options.listed->size == 0);
  StreamPtr stream;
  {
    MutexLock lock(state_.mutex);
    stream = add(std::move(name), std::move(options));
    if (state_.closed) {
      stream->become_closed();
      return stream;
    }
    state_.note_use();
    if (!asks_head) state_.urgent.add_open(*stream);
  }
  if (asks_head) {
    ask_heads({stream});
  } else {
    state_.wake();
  }
  return stream;
}

OpenObjects::StreamPtr OpenObjects::open_listed(ObjectName name, StreamOptions options) {
  const ObjectVersion version = version_of(*options.listed);
  Result<StreamPtr> opened = open_version(name, version, false, options);
  if (opened.is_ok()) return std::move(opened).value();
  MutexLock lock(state_.mutex);
  StreamPtr stream = add(std::move(name), std::move(options));
  stream->become_failed(opened.status());
  return stream;
}

Result<OpenObjects::StreamPtr> OpenObjects::open_known(ObjectName name,
                                                       const ObjectVersion& version,
                                                       StreamOptions options) {
  // No sweep: a worker process that inherited many readers fetches what it reads, and ahead of
  // that, but not all.
  return open_version(std::move(name), version, false, std::move(options));
}

Result<OpenObjects::StreamPtr> OpenObjects::open_again(const ObjectStream& suspect) {
  Result<StreamPtr> stream =
      open_version(suspect.name(), suspect.version(), true, {.learnt = suspect.learnt()});
  if (!stream.is_ok()) return stream;
  ossmc::add(state_.context.counters.refetches, suspect.chunk_count());
  return stream;
}

Result<OpenObjects::StreamPtr> OpenObjects::open_version(ObjectName name,
                                                         const ObjectVersion& version, bool sweep,
                                                         StreamOptions options) {
  Result<ChunkTable::Index> index = index_for(name, state_.options.chunk_bytes, version);
  if (!index.is_ok()) return index.status();
  MutexLock lock(state_.mutex);
  StreamPtr stream = add(std::move(name), std::move(options));
  stream->become_open(version, std::move(index).value(), state_.context.verify_crc64);
  if (state_.closed) {
    stream->become_closed();
  } else if (sweep) {
    state_.positions.start_sweep(*stream, 0);
    state_.arrivals.note_whole(*stream);
  }
  return stream;
}

void OpenObjects::ask_heads(std::vector<StreamPtr> streams) {
  for (StreamPtr& stream : streams) {
    if (stream->is_closed()) continue;
    ObjectStream* const opening = stream.get();
    std::shared_ptr<PendingReply> head =
        ask_head(state_.small, opening->name(),
                 [this, stream = std::move(stream)](PendingReply& reply, const Status& status) {
                   const AskedVersion version = asked_version(*stream, state_.context.store);
                   if (!status.is_ok() && !is_unexplained(status)) {
                     complete(*stream, status);
                   } else if (status.is_ok() && tells_size(reply, version)) {
                     complete(*stream, version_of_head(reply, stream->name(), version));
                   } else {
                     ask_size_of(stream, reply.head());
                   }
                 });
    keep_for_close(*opening, std::move(head), false);
  }
}

void OpenObjects::ask_size_of(const StreamPtr& stream, const ResponseHead& head) {
  std::shared_ptr<PendingReply> size =
      ask_size(state_.small, stream->name(),
               [this, stream, head](PendingReply& reply, const Status& status) {
                 if (status.is_ok()) {
                   complete(*stream, version_of_size(head, reply, stream->name(),
                                                     asked_version(*stream, state_.context.store)));
                 } else {
                   complete(*stream, status);
                 }
               });
  keep_for_close(*stream, std::move(size), true);
}

// Its end, which forgets it, may have come first, and that of a HEAD this one's successor.
void OpenObjects::keep_for_close(ObjectStream& stream, std::shared_ptr<PendingReply> reply,
                                 bool is_second) {
  MutexLock lock(state_.mutex);
  if (stream.state() != StreamState::kOpening) return;
  if (is_second || stream.plan.head == nullptr) stream.plan.head.swap(reply);
}

void OpenObjects::complete(ObjectStream& stream, const Result<ObjectVersion>& version) {
  std::shared_ptr<PendingReply> head;  // its own request: destroyed last
  Status status = version.status();
  Result<ChunkTable::Index> index = ChunkTable::Index();
  if (status.is_ok()) {
    index = index_for(stream.name(), stream.chunk_bytes(), *version);
    status = index.status();
  }
  {
    MutexLock lock(state_.mutex);
    head = std::move(stream.plan.head);
    if (stream.state() != StreamState::kOpening) return;
    if (status.is_ok() && version->size > 0 && stream.plan.range_was_refused) {
      status =
          Status(StatusCode::kProtocol, "GET " + printable(stream.name().uri()) +
                                            " was answered 416 (InvalidRange), but HEAD tells " +
                                            std::to_string(version->size) + " bytes");
    }
    if (status.is_ok()) {
      stream.become_open(*version, std::move(index).value(), state_.context.verify_crc64);
      if (stream.prefetches()) {
        state_.positions.start_sweep(stream, 0);
        state_.arrivals.note_whole(stream);
      }
    } else {
      stream.become_failed(status);
    }
  }
  stream.wake_openers();
  state_.wake();
}

void OpenObjects::close(ObjectStream& stream) {
  Closed closed;
  {
    MutexLock lock(state_.mutex);
    if (stream.is_closed()) return;
    take_out(stream, &closed);
  }
  if (closed.head != nullptr) closed.head->cancel();
  for (ChunkFetch* fetch : closed.parked)
    owner_.on_finished(*fetch, Status(StatusCode::kClosed, "closed"));
  for (const std::shared_ptr<Piece>& piece : closed.pieces) end_piece(*piece, closed_status());
  closed.freed = {};  // who is woken below shall find it
  for (Chunk* chunk : closed.claimed) chunk->notify();
  stream.wake_openers();
  stream.verification.wake();
  state_.note_memory();  // also to cancel what is in flight
}

void OpenObjects::close_all() {
  std::vector<StreamPtr> streams;
  {
    MutexLock lock(state_.mutex);
    state_.closed = true;
    for (auto& [sequence, stream] : state_.streams) streams.push_back(stream);
  }
  for (const StreamPtr& stream : streams) close(*stream);
  state_.small.close();
}

void OpenObjects::take_out(ObjectStream& stream, Closed* closed) {
  closed->freed.streams.push_back(stream.shared_from_this());
  closed->claimed = state_.urgent.remove_stream(stream);
  closed->pieces = state_.pieces.remove_stream(stream);
  stream.plan.nearby.clear();
  stream.become_closed();
  state_.streams.erase(stream.sequence());
  if (state_.streams.empty()) state_.admission.all_are_closed();
  state_.positions.remove(stream);
  // What waits for a retry has no exchange that could see the cancel.
  closed->parked = state_.fetches.cancel_stream(stream);
  closed->head = std::move(stream.plan.head);
  for (const std::uint64_t pinned : state_.residency.remove_stream(stream, &closed->freed))
    state_.leftovers.add(stream, pinned);
  if (stream.plan.region == nullptr) return;
  state_.views.remove_stream(stream);
  for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) {
    const ChunkSlot& slot = stream.slot(i);
    const ChunkPhase phase = slot.chunk.view().phase;
    if (!slot.in_region || (phase != ChunkPhase::kReady && phase != ChunkPhase::kFailed)) continue;
    if (!take_chunk(stream, i, &closed->freed)) state_.leftovers.add(stream, i);
  }
  take_region(stream, &closed->freed);
}

}  // namespace ossmc
