#include "prefetch/residency.h"

#include <cassert>
#include <ranges>

namespace ossmc {

void Residency::add(ObjectStream& stream, std::uint64_t index) {
  assert(index < stream.chunk_count());
  add_unread(stream, index);
  if (stream.slot(index).chunk.handed_out_whole()) mark_consumed(stream, index);
}

void Residency::add_failed(ObjectStream& stream, std::uint64_t index) {
  assert(index < stream.chunk_count());
  add_unread(stream, index);
  mark_consumed(stream, index);
}

void Residency::mark_consumed(ObjectStream& stream, std::uint64_t index) {
  if (remove_unread(stream, index)) {
    consumed_.add(stream, index);
  } else if (consumed_.contains(stream, index)) {
    consumed_.keep_all(stream);
  }
}

void Residency::forget(ObjectStream& stream, std::uint64_t index) {
  if (!remove_unread(stream, index)) consumed_.remove(stream, index);
}

std::vector<std::uint64_t> Residency::remove_stream(ObjectStream& stream, FreedMemory* freed) {
  std::vector<std::uint64_t> indices;
  const Position begin{stream.sequence(), 0};
  const Position end{stream.sequence() + 1, 0};
  for (auto it = unread_.lower_bound(begin); it != unread_.end() && it->first < end; ++it)
    indices.push_back(it->first.second);
  consumed_.append_chunks_of(stream, &indices);
  for (const std::uint64_t index : indices) forget(stream, index);
  consumed_.forget_object(stream);
  std::erase_if(indices, [&](std::uint64_t index) { return take(stream, index, freed); });
  return indices;
}

bool Residency::evict_consumed(const ObjectStream* except, bool kept_too, FreedMemory* freed) {
  for (const auto& entry : consumed_.entries()) {
    if (!kept_too && !ReadChunks::is_spare(entry)) return false;
    ObjectStream& stream = *entry.second.stream;
    const std::uint64_t index = entry.second.index;
    if (&stream == except || !may_go(stream, index) || !take(stream, index, freed)) continue;
    consumed_.remove(stream, index);
    return true;
  }
  return false;
}

bool Residency::evict_unread(const ObjectStream* except, FreedMemory* freed, ObjectStream** stream,
                             std::uint64_t* index) {
  for (const auto& [position, link] : std::ranges::reverse_view(unread_)) {
    ObjectStream* const candidate = link.get();
    const std::uint64_t candidate_index = position.second;
    if (candidate == except || !may_go(*candidate, candidate_index)) continue;
    if (!take(*candidate, candidate_index, freed)) continue;
    remove_unread(*candidate, candidate_index);
    *stream = candidate;
    *index = candidate_index;
    return true;
  }
  return false;
}

bool Residency::can_free(std::uint64_t bytes, Goes what, const ObjectStream* except) {
  std::uint64_t sum = 0;
  const auto add = [&](ObjectStream& stream, std::uint64_t index) {
    if (!may_go(stream, index)) return;
    const Chunk& chunk = stream.slot(index).chunk;
    if (chunk.view().pins == 0) {
      sum += chunk.ticket_bytes();
    } else {
      met_pins_ = true;
    }
  };
  const auto& consumed = consumed_.entries();
  for (auto it = consumed.begin(); it != consumed.end() && sum < bytes; ++it) {
    if (what == Goes::kSpare && !ReadChunks::is_spare(*it)) break;
    add(*it->second.stream, it->second.index);
  }
  for (auto it = unread_.rbegin(); what == Goes::kUnreadToo && it != unread_.rend() && sum < bytes;
       ++it) {
    if (it->second.get() != except) add(*it->second, it->first.second);
  }
  return sum >= bytes;
}

void Residency::add_unread(ObjectStream& stream, std::uint64_t index) {
  if (!unread_.emplace(Position{stream.sequence(), index}, &stream).second) return;
  const std::uint64_t bytes = stream.slot(index).chunk.ticket_bytes();
  unread_bytes_ += bytes;
  stream.plan.unread_bytes += bytes;
}

bool Residency::remove_unread(ObjectStream& stream, std::uint64_t index) {
  if (unread_.erase({stream.sequence(), index}) == 0) return false;
  const std::uint64_t bytes = stream.slot(index).chunk.ticket_bytes();
  unread_bytes_ -= bytes;
  stream.plan.unread_bytes -= bytes;
  return true;
}

// An object's region counts on the tickets of its chunks: they go with it.
bool Residency::may_go(ObjectStream& stream, std::uint64_t index) {
  return stream.slot(index).claims == 0 && stream.plan.region == nullptr;
}

bool Residency::take(ObjectStream& stream, std::uint64_t index, FreedMemory* freed) {
  if (take_chunk(stream, index, freed)) return true;
  met_pins_ = true;
  return false;
}

}  // namespace ossmc
