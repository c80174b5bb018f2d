#include "prefetch/residency.h"

#include <cassert>

namespace ossmc {

void Residency::add(ObjectStream& stream, std::uint64_t index) {
  assert(index < stream.chunk_count());
  unread_.emplace(Position{stream.sequence(), index}, &stream);
  if (stream.slot(index).chunk.handed_out_whole()) mark_consumed(stream, index);
}

void Residency::add_failed(ObjectStream& stream, std::uint64_t index) {
  assert(index < stream.chunk_count());
  unread_.emplace(Position{stream.sequence(), index}, &stream);
  mark_consumed(stream, index);
}

void Residency::mark_consumed(ObjectStream& stream, std::uint64_t index) {
  const Position position{stream.sequence(), index};
  if (unread_.erase(position) == 0) return;  // not resident, or marked before
  const std::uint64_t at = ++consumptions_;
  const std::uint64_t bytes = stream.slot(index).chunk.ticket_bytes();
  consumed_.emplace(at, Consumed{StreamLink(&stream), index, bytes});
  consumed_at_.emplace(position, at);
  consumed_bytes_ += bytes;
}

void Residency::forget(ObjectStream& stream, std::uint64_t index) {
  const Position position{stream.sequence(), index};
  unread_.erase(position);
  const auto found = consumed_at_.find(position);
  if (found == consumed_at_.end()) return;
  const auto consumed = consumed_.find(found->second);
  consumed_bytes_ -= consumed->second.bytes;
  consumed_.erase(consumed);
  consumed_at_.erase(found);
}

std::vector<std::uint64_t> Residency::remove_stream(ObjectStream& stream, FreedMemory* freed) {
  std::vector<std::uint64_t> indices;
  const Position begin{stream.sequence(), 0};
  const Position end{stream.sequence() + 1, 0};
  for (auto it = unread_.lower_bound(begin); it != unread_.end() && it->first < end; ++it)
    indices.push_back(it->first.second);
  for (auto it = consumed_at_.lower_bound(begin); it != consumed_at_.end() && it->first < end; ++it)
    indices.push_back(it->first.second);
  for (const std::uint64_t index : indices) forget(stream, index);
  std::erase_if(indices, [&](std::uint64_t index) { return take(stream, index, freed); });
  return indices;
}

bool Residency::evict_consumed(const ObjectStream* except, FreedMemory* freed) {
  for (auto it = consumed_.begin(); it != consumed_.end(); ++it) {
    const Consumed& entry = it->second;
    if (entry.stream.get() == except) continue;
    if (!may_go(*entry.stream, entry.index) || !take(*entry.stream, entry.index, freed)) continue;
    consumed_at_.erase(Position{entry.stream->sequence(), entry.index});
    consumed_bytes_ -= entry.bytes;
    consumed_.erase(it);
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
      sum += chunk.ticket_bytes();
    } else {
      met_pins_ = true;
    }
  };
  for (auto it = consumed_.begin(); it != consumed_.end() && sum < bytes; ++it)
    add(*it->second.stream, it->second.index);
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
  if (take_chunk(stream, index, freed)) return true;
  met_pins_ = true;
  return false;
}

}  // namespace ossmc
