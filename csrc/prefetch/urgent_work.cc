#include "prefetch/urgent_work.h"

#include <cassert>

namespace ossmc {

void UrgentWork::add_open(ObjectStream& stream) {
  add(stream, 0);
  ++opens_;
}

void UrgentWork::add(ObjectStream& stream, std::uint64_t index) {
  ChunkSlot& slot = stream.slot(index);
  assert(slot.work == ChunkSlot::Work::kNone);
  slot.failure = Status::ok();
  slot.work = ChunkSlot::Work::kUrgent;
  slot.place_in_line = ++last_place_;
  line_.emplace_hint(line_.end(), last_place_,
                     Entry{last_place_, stream.shared_from_this(), index});
}

void UrgentWork::add_claimed(ObjectStream& stream, std::uint64_t index) {
  ChunkSlot& slot = stream.slot(index);
  assert(slot.claims > 0);
  slot.failure = Status::ok();
  put_back(stream, index, slot.place_in_line);
}

void UrgentWork::put_back(ObjectStream& stream, std::uint64_t index, std::uint64_t place) {
  ChunkSlot& slot = stream.slot(index);
  assert(slot.work == ChunkSlot::Work::kNone && place != 0);
  slot.work = ChunkSlot::Work::kUrgent;
  slot.place_in_line = place;
  line_.emplace(place, Entry{place, stream.shared_from_this(), index});
  if (stream.state() == StreamState::kOpening) ++opens_;
}

void UrgentWork::remove(ObjectStream& stream, std::uint64_t index) {
  ChunkSlot& slot = stream.slot(index);
  assert(slot.work == ChunkSlot::Work::kUrgent);
  slot.work = ChunkSlot::Work::kNone;
  if (stream.state() == StreamState::kOpening) --opens_;
  line_.erase(slot.place_in_line);
}

void UrgentWork::claim(ObjectStream& stream, std::uint64_t index) {
  ChunkSlot& slot = stream.slot(index);
  if (slot.claims++ > 0) return;
  claimed_.emplace(stream.sequence(), index);
  if (slot.work != ChunkSlot::Work::kUrgent) slot.place_in_line = ++last_place_;
}

bool UrgentWork::release(ObjectStream& stream, std::uint64_t index) {
  ChunkSlot& slot = stream.slot(index);
  assert(slot.claims > 0);
  if (--slot.claims > 0) return false;
  claimed_.erase({stream.sequence(), index});
  if (slot.work == ChunkSlot::Work::kUrgent) remove(stream, index);
  return true;
}

std::vector<Chunk*> UrgentWork::remove_stream(ObjectStream& stream) {
  std::vector<Chunk*> claimed;
  const auto end = claimed_.lower_bound({stream.sequence() + 1, 0});
  for (auto it = claimed_.lower_bound({stream.sequence(), 0}); it != end; ++it) {
    ChunkSlot& slot = stream.slot(it->second);
    if (slot.work == ChunkSlot::Work::kUrgent) remove(stream, it->second);
    claimed.push_back(&slot.chunk);
  }
  // A first request is claimed by nobody.
  if (stream.slot(0).work == ChunkSlot::Work::kUrgent) remove(stream, 0);
  return claimed;
}

UrgentWork::Entry UrgentWork::next(std::uint64_t place) const {
  const auto found = line_.upper_bound(place);
  return found == line_.end() ? Entry{} : found->second;
}

}  // namespace ossmc
