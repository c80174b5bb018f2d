#include "prefetch/chunk_table.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

namespace ossmc {

namespace {

// An index of 8 MiB: an object of 48.8 TB, the largest of OSS, in chunks of 1 MiB has 47 million.
constexpr std::uint64_t kMostChunks = 1ULL << 26;

std::uint64_t divided_up(std::uint64_t count, std::uint64_t by) {
  return count / by + (count % by != 0 ? 1 : 0);
}

}  // namespace

struct ChunkTable::Group {
  std::unique_ptr<ChunkSlot[]> slots;  // as many as the object has of them
};

Result<ChunkTable::Index> ChunkTable::make_index(std::uint64_t count) {
  if (count > kMostChunks) {
    return Status(StatusCode::kInvalidArgument, "has " + std::to_string(count) + " chunks");
  }
  Index index;
  index.count_ = count;
  if (count <= 1) return index;
  const std::uint64_t groups = divided_up(count - 1, kSlotsOfGroup);
  index.groups_.reset(new (std::nothrow) std::atomic<Group*>[groups]());
  if (index.groups_ == nullptr) {
    return Status(StatusCode::kMemoryBudget,
                  "no memory for the table of " + std::to_string(count) + " chunks");
  }
  return index;
}

ChunkTable::ChunkTable() = default;

ChunkTable::~ChunkTable() {
  if (groups_ == nullptr) return;
  for (std::uint64_t i = 0; i < divided_up(count_ - 1, kSlotsOfGroup); ++i)
    delete groups_[i].load(std::memory_order_relaxed);
}

void ChunkTable::set(Index index) {
  count_ = index.count_;
  groups_ = std::move(index.groups_);
}

ChunkSlot& ChunkTable::slot_of_group(std::uint64_t index) {
  std::atomic<Group*>& place = groups_[index / kSlotsOfGroup];
  Group* group = place.load(std::memory_order_acquire);
  if (group == nullptr) group = make_group(place, index / kSlotsOfGroup);
  return group->slots[index % kSlotsOfGroup];
}

// Two threads may make the same one: the second drops its own.
ChunkTable::Group* ChunkTable::make_group(std::atomic<Group*>& place, std::uint64_t group) {
  const std::uint64_t size = std::min(kSlotsOfGroup, count_ - 1 - group * kSlotsOfGroup);
  auto made = std::make_unique<Group>();
  made->slots = std::make_unique<ChunkSlot[]>(size);
  Group* there = nullptr;
  if (!place.compare_exchange_strong(there, made.get(), std::memory_order_acq_rel)) return there;
  return made.release();
}

}  // namespace ossmc
