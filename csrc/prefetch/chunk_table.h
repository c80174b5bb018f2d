// ChunkTable: the chunks of one object and what is planned for each. An entry is made when it is
// first looked at: a table of millions costs what is in use of it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "fetch/seen_ranges.h"
#include "memory/chunk.h"

namespace ossmc {

struct Piece;

// A chunk and what the scheduler knows of it. All but `chunk` is guarded by the scheduler's mutex.
struct ChunkSlot {
  // kInPiece: a call receives all of it in memory of its own, until it ends, or until the bytes
  // have come and somebody claims the chunk.
  enum class Work : std::uint8_t { kNone, kUrgent, kInFlight, kInPiece };

  Chunk chunk;
  void leave_piece() {
    work = Work::kNone;
    piece = nullptr;
  }

  Work work = Work::kNone;
  const Piece* piece = nullptr;     // of kInPiece
  bool fetched_before = false;      // completely, at least once
  bool in_region = false;           // its bytes lie, or will lie, in the object's region
  std::uint16_t claims = 0;         // how many reads and views claim it: it is not evicted
  std::uint64_t place_in_line = 0;  // while kUrgent; while claimed, when it was or would have been
  SeenBytes seen;                   // of the chunk as first fetched, whole or as far as it came
  std::vector<SeenRange> seen_parts;  // that came as pieces, elsewhere
  Status
      failure;  // of the last fetch, if another would fail alike; cleared when somebody asks again
  bool was_given_up = false;   // the last fetch: kFailed, though nothing failed
  std::uint32_t failures = 0;  // how many fetches have failed
  Status last_failure;         // of the last of them, never cleared: for failure_since()
};

// Owned by its ObjectStream. Entries stay where they are. Any thread may look one up once set()
// was seen; entry 0 is always there.
class ChunkTable {
 public:
  // The index of a table, without entries. Made under no lock: that of the largest objects takes
  // hundreds of KiB.
  class Index;
  // kMemoryBudget, or kInvalidArgument: more than an index is made for.
  static Result<Index> make_index(std::uint64_t count);

  ChunkTable();
  ~ChunkTable();
  ChunkTable(const ChunkTable&) = delete;
  ChunkTable& operator=(const ChunkTable&) = delete;

  void set(Index index);  // once
  std::uint64_t count() const { return count_; }
  // REQUIRES: index < count(), or 0. Makes the entry if it is not there.
  ChunkSlot& operator[](std::uint64_t index) {
    return index == 0 ? first_ : slot_of_group(index - 1);
  }

 private:
  static constexpr std::uint64_t kSlotsOfGroup = 64;
  struct Group;
  ChunkSlot& slot_of_group(std::uint64_t index);
  Group* make_group(std::atomic<Group*>& place, std::uint64_t group);

  ChunkSlot first_;  // exists before the size is known: the first request fills it
  // Written before the stream is open.
  std::uint64_t count_ = 0;
  std::unique_ptr<std::atomic<Group*>[]> groups_;  // of those behind the first
};

class ChunkTable::Index {
 public:
  Index() = default;

 private:
  friend class ChunkTable;
  std::uint64_t count_ = 0;
  std::unique_ptr<std::atomic<Group*>[]> groups_;
};

}  // namespace ossmc
