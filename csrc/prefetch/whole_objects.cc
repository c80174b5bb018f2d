#include "prefetch/whole_objects.h"

#include <algorithm>
#include <new>
#include <string>
#include <unordered_set>

#include "base/wait.h"
#include "protocol/object_name.h"

namespace ossmc {

WholeObjects::Admitted WholeObjects::admit(std::span<const std::uint64_t> sizes, bool needs_first) {
  Admitted admitted;
  FreedMemory freed;  // given back under no lock
  MutexLock lock(state_.mutex);
  for (const std::uint64_t size : sizes) {
    Ticket ticket = state_.admission.for_objects(size, &freed);
    if (!ticket && !(needs_first && admitted.count == 0)) break;
    admitted.ticket.absorb(std::move(ticket));
    ++admitted.count;
  }
  state_.budget->set_consumed_bytes(state_.residency.consumed_bytes());
  admitted.sequence = state_.next_sequence;
  state_.next_sequence += admitted.count;
  return admitted;
}

void WholeObjects::start(std::span<const StreamPtr> streams, const std::vector<PiecePtr>& pieces) {
  if (pieces.empty()) return;
  bool is_closed = false;
  pieces.front()->call->missing.fetch_add(static_cast<std::uint32_t>(pieces.size()));
  {
    MutexLock lock(state_.mutex);
    is_closed = state_.closed;
    for (const StreamPtr& stream : streams) {
      if (is_closed) {
        stream->become_closed();
      } else {
        state_.streams.emplace(stream->sequence(), stream);
      }
    }
    state_.note_use();
    if (!is_closed) state_.pieces.add_bulk(pieces);
  }
  if (is_closed) {
    for (const PiecePtr& piece : pieces) end_piece(*piece, closed_status());
  } else {
    state_.wake();
  }
}

void WholeObjects::retire(std::span<const StreamPtr> streams) {
  if (streams.empty()) return;
  MutexLock lock(state_.mutex);
  for (const StreamPtr& stream : streams) {
    if (stream->is_closed()) continue;
    stream->become_closed();
    state_.streams.erase(stream->sequence());
  }
  if (state_.streams.empty()) state_.admission.all_are_closed();
}

void WholeObjects::give_up(std::span<const StreamPtr> streams) {
  if (streams.empty()) return;
  std::unordered_set<const ObjectStream*> gone;
  for (const StreamPtr& stream : streams) gone.insert(stream.get());
  const auto leaves = [&](const ObjectStream& stream) { return gone.contains(&stream); };
  std::vector<PiecePtr> in_line;
  std::vector<ChunkFetch*> parked;
  {
    MutexLock lock(state_.mutex);
    in_line = state_.pieces.remove_streams(leaves);
    parked = state_.fetches.cancel_streams(leaves);
  }
  for (ChunkFetch* const fetch : parked)
    owner_.on_finished(*fetch, Status(StatusCode::kClosed, "nobody waits for it any more"));
  for (const PiecePtr& piece : in_line) end_piece(*piece, closed_status());
  retire(streams);
  state_.wake();
}

Status WholeObjects::take_version(Piece& piece, const ObjectVersion& version, ByteRange range) {
  ObjectStream& stream = *piece.stream;
  Result<ChunkTable::Index> index = index_for(stream.name(), stream.chunk_bytes(), version);
  if (!index.is_ok()) return index.status();
  const auto length = static_cast<std::uint32_t>(range.size());
  std::unique_ptr<std::byte[]> own(new (std::nothrow) std::byte[length]);
  if (own == nullptr) {
    return stream.error(StatusCode::kMemoryBudget, "the system has no memory for " +
                                                       std::to_string(length) + " bytes of " +
                                                       printable(stream.name().uri()));
  }
  {
    MutexLock lock(state_.mutex);
    if (stream.is_closed()) return closed_status();
    piece.own = std::move(own);
    piece.sink.set_target(length, piece.own.get());
    stream.become_open(version, std::move(index).value(), state_.context.verify_crc64);
  }
  if (version.size == length) return Status::ok();
  piece.call->grown.fetch_add(1);
  if (piece.call->awaited.load() == &piece) futex_wake_all(piece.call->missing);
  return Status::ok();
}

}  // namespace ossmc
