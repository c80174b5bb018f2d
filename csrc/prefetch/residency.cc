#include "prefetch/residency.h"

#include <cassert>

namespace ossmc {

void Residency::add(ObjectStream& stream, std::uint64_t index) {
  assert(stream.has_chunk(index));  // or remove_stream() passes over it
  unread_.emplace(Position{stream.sequence(), index}, &stream);
  if (stream.slot(index).chunk.handed_out_whole()) mark_consumed(stream, index);
}

void Residency::add_failed(ObjectStream& stream, std::uint64_t index) {
  assert(stream.has_chunk(index));
  unread_.emplace(Position{stream.sequence(), index}, &stream);
  mark_consumed(stream, index);
}

void Residency::mark_consumed(ObjectStream& stream, std::uint64_t index) {
  const Position position{stream.sequence(), index};
  if (unread_.erase(position) == 0) return;  // not resident, or marked before
  const std::uint64_t at = ++consumptions_;
  consumed_.emplace(at, std::pair{&stream, index});
  consumed_at_.emplace(position, at);
  consumed_bytes_ += stream.chunk_length(index);
}

void Residency::forget(ObjectStream& stream, std::uint64_t index) {
  const Position position{stream.sequence(), index};
  unread_.erase(position);
  const auto found = consumed_at_.find(position);
  if (found == consumed_at_.end()) return;
  consumed_.erase(found->second);
  consumed_at_.erase(found);
  consumed_bytes_ -= stream.chunk_length(index);
}

std::uint64_t Residency::remove_stream(ObjectStream& stream, FreedMemory* freed) {
  std::uint64_t pinned = 0;
  for (std::uint64_t index = 0; index < stream.chunk_count(); ++index) {
    if (stream.slot(index).work == ChunkSlot::Work::kInFlight) continue;
    forget(stream, index);
    const ChunkPhase phase = stream.slot(index).chunk.view().phase;
    if (phase != ChunkPhase::kReady && phase != ChunkPhase::kFailed) continue;
    if (!take(stream, index, freed)) ++pinned;
  }
  return pinned;
}

bool Residency::evict_consumed(FreedMemory* freed) {
  for (auto& [at, entry] : consumed_) {
    const auto [stream, index] = entry;
    if (!may_go(*stream, index) || !take(*stream, index, freed)) continue;
    consumed_at_.erase(Position{stream->sequence(), index});
    consumed_.erase(at);
    consumed_bytes_ -= stream->chunk_length(index);
    return true;
  }
  return false;
}

bool Residency::evict_unread(const ObjectStream* except, FreedMemory* freed, ObjectStream** stream,
                             std::uint64_t* index) {
  for (auto it = unread_.rbegin(); it != unread_.rend(); ++it) {
    ObjectStream* const candidate = it->second.get();
    const std::uint64_t candidate_index = it->first.second;
    if (candidate == except || !may_go(*candidate, candidate_index)) continue;
    if (!take(*candidate, candidate_index, freed)) continue;
    unread_.erase(std::next(it).base());
    *stream = candidate;
    *index = candidate_index;
    return true;
  }
  return false;
}

bool Residency::can_free(std::uint64_t bytes, bool unread_too, const ObjectStream* except) {
  std::uint64_t sum = 0;
  const auto add = [&](ObjectStream& stream, std::uint64_t index) {
    if (!may_go(stream, index)) return;
    const Chunk& chunk = stream.slot(index).chunk;
    if (chunk.view().pins == 0) {
      sum += chunk.length();
    } else {
      met_pins_ = true;
    }
  };
  for (auto it = consumed_.begin(); it != consumed_.end() && sum < bytes; ++it)
    add(*it->second.first, it->second.second);
  for (auto it = unread_.rbegin(); unread_too && it != unread_.rend() && sum < bytes; ++it) {
    if (it->second.get() != except) add(*it->second, it->first.second);
  }
  return sum >= bytes;
}

// An object's region counts on the tickets of its chunks: they go with it.
bool Residency::may_go(ObjectStream& stream, std::uint64_t index) {
  return stream.slot(index).claims == 0 && stream.plan.region == nullptr;
}

bool Residency::take(ObjectStream& stream, std::uint64_t index, FreedMemory* freed) {
  Block block;
  Ticket ticket;  // given back here, under the mutex: it is one atomic
  if (!stream.slot(index).chunk.try_take_block(&block, &ticket)) {
    met_pins_ = true;
    return false;
  }
  freed->blocks.push_back(std::move(block));
  return true;
}

}  // namespace ossmc
