// LooseStreams: objects that no scheduler knows, and chunks of them put into memory, for tests of
// what the scheduler is made of.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "memory/budget.h"
#include "memory/page_pool.h"
#include "memory/view_region.h"
#include "prefetch/object_stream.h"
#include "prefetch/residency.h"
#include "support/csrc/fake_clock.h"

namespace ossmc {

// The streams are in the order of open. Lists of them end before this does.
class LooseStreams {
 public:
  using StreamPtr = std::shared_ptr<ObjectStream>;
  static constexpr std::uint32_t kChunkBytes = 4096;

  explicit LooseStreams(std::uint64_t budget_bytes = 64 * kChunkBytes)
      : budget(std::make_shared<Budget>(budget_bytes)) {}

  // Its first request is under way.
  StreamPtr opening() {
    const std::uint64_t sequence = ++last_sequence_;
    return std::make_shared<ObjectStream>(ObjectName{"bucket", "o" + std::to_string(sequence)},
                                          sequence, kChunkBytes);
  }
  StreamPtr open(std::uint64_t size) {
    StreamPtr stream = opening();
    become_open(*stream, size);
    return stream;
  }
  StreamPtr open_chunks(std::uint64_t count) { return open(count * kChunkBytes); }
  static void become_open(ObjectStream& stream, std::uint64_t size) {
    ObjectVersion version;
    version.size = size;
    version.etag = "ETAG";
    Result<ChunkTable::Index> index = index_for(stream.name(), kChunkBytes, version);
    ASSERT_TRUE(index.is_ok());
    stream.become_open(std::move(version), std::move(index).value(), false);
  }

  // Memory of its own for the chunk, counted by its block; no byte is there yet.
  void begin_fill(ObjectStream& stream, std::uint64_t index) {
    const std::uint32_t length = stream.chunk_length(index);
    Ticket ticket = Ticket::try_take(budget, pool->block_bytes(length));
    ASSERT_TRUE(ticket);
    stream.slot(index).chunk.begin_fill(pool->take(length), std::move(ticket), length);
  }
  // All of its bytes are there.
  void fill(ObjectStream& stream, std::uint64_t index) {
    begin_fill(stream, index);
    append_rest(stream, index);
    stream.slot(index).chunk.finish();
  }
  // All of its bytes are there, and nobody has read them, or somebody has.
  void add_unread(Residency& residency, ObjectStream& stream, std::uint64_t index) {
    fill(stream, index);
    residency.add(stream, index);
  }
  void add_consumed(Residency& residency, ObjectStream& stream, std::uint64_t index) {
    add_unread(residency, stream, index);
    hand_out(stream, index);
    residency.mark_consumed(stream, index);
  }
  // As fill(), in the object's region, which holds the memory.
  static void fill_in_region(ObjectStream& stream, std::uint64_t index) {
    ChunkSlot& slot = stream.slot(index);
    slot.in_region = true;
    slot.chunk.begin_fill_at(stream.plan.region->data() + stream.chunk_begin(index),
                             stream.chunk_length(index));
    append_rest(stream, index);
    slot.chunk.finish();
  }
  static void append_rest(ObjectStream& stream, std::uint64_t index) {
    Chunk& chunk = stream.slot(index).chunk;
    const std::vector<std::byte> bytes(chunk.writer_room());
    chunk.append(bytes.data(), bytes.size(), false);
  }
  static void hand_out(ObjectStream& stream, std::uint64_t index) {
    stream.slot(index).chunk.mark_handed_out(0, stream.chunk_length(index));
  }
  static bool is_there(ObjectStream& stream, std::uint64_t index) {
    return stream.slot(index).chunk.view().phase == ChunkPhase::kReady;
  }
  // A region for the whole object, with its part of the budget.
  std::shared_ptr<ViewRegion> region_for(const ObjectStream& stream) const {
    std::shared_ptr<ViewRegion> region = ViewRegion::make(stream.size()).value();
    region->absorb(Ticket::try_take(budget, stream.size()));
    return region;
  }

  FakeClock clock;
  const std::shared_ptr<Budget> budget;
  const std::shared_ptr<PagePool> pool =
      PagePool::make({.slot_bytes = kChunkBytes, .keep_bytes = 0}, clock);

 private:
  std::uint64_t last_sequence_ = 0;
};

}  // namespace ossmc
