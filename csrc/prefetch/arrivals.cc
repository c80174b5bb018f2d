#include "prefetch/arrivals.h"

#include <algorithm>

namespace ossmc {

namespace {

// Reads that jump about have stopped the sweep: what they will want of it nobody knows.
bool comes_whole(const ObjectStream& stream) {
  return stream.plan.is_announced && !stream.plan.is_held;
}

std::uint64_t missing_bytes(const ObjectStream& stream) {
  return stream.size() - std::min(stream.size(), stream.plan.placed_bytes);
}

std::uint64_t filled_bytes(const FetchBook::Entry& entry) {
  if (entry.piece != nullptr) return entry.piece->sink.filled();
  const Chunk::View view = entry.stream->slot(entry.index).chunk.view();
  return view.phase == ChunkPhase::kFilling ? view.filled : 0;
}

}  // namespace

void Arrivals::note_whole(ObjectStream& stream) {
  if (stream.plan.is_announced) return;
  stream.plan.is_announced = true;
  announced_ += stream.size();
}

void Arrivals::note_placed(ObjectStream& stream, std::uint64_t bytes, bool again) {
  if (stream.plan.is_announced) {
    if (again) return;
    bytes = std::min(bytes, missing_bytes(stream));
  }
  stream.plan.placed_bytes += bytes;
  placed_ += bytes;
}

ArrivedBytes Arrivals::look(const Streams& open, const FetchBook& fetches) const {
  ArrivedBytes now{.placed = placed_, .announced = announced_};
  std::map<const ObjectStream*, std::uint64_t> missing;
  for (const auto& [sequence, stream] : open) {
    if (stream->state() == StreamState::kOpen && comes_whole(*stream))
      missing.emplace(stream.get(), missing_bytes(*stream));
  }
  fetches.for_each([&](const FetchBook::Entry& entry) {
    ObjectStream& stream = *entry.stream;
    if (stream.is_closed()) return;
    const bool again = entry.piece == nullptr && stream.slot(entry.index).fetched_before;
    if (stream.plan.is_announced && again) return;
    std::uint64_t filled = filled_bytes(entry);
    const auto whole = missing.find(&stream);
    if (whole != missing.end()) {
      filled = std::min(filled, whole->second);
      whole->second -= filled;
    } else if (entry.piece != nullptr) {
      now.to_come += entry.piece->sink.length() - filled;
    }
    now.placed += filled;
  });
  for (const auto& [stream, bytes] : missing) now.to_come += bytes;
  return now;
}

}  // namespace ossmc
