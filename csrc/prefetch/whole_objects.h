// WholeObjects: what calls that receive many objects, each of them whole, need of the scheduler
// (docs/decisions/0014-many-small-objects.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "prefetch/piece.h"
#include "prefetch/scheduler_state.h"

namespace ossmc {

// Thread-safe. Owned by the Scheduler; works on its state.
//
// An object here has a stream that nobody else reads, and pieces alone: no chunk of it is ever in
// memory, so it is in none of the scheduler's lists but that of the open ones.
class WholeObjects {
 public:
  using StreamPtr = std::shared_ptr<ObjectStream>;
  using PiecePtr = std::shared_ptr<Piece>;

  // `owner`: of the fetches, told of those that waited for a retry.
  WholeObjects(SchedulerState& state, ChunkFetchOwner& owner) : state_(state), owner_(owner) {}

  struct Admitted {
    std::size_t count = 0;  // of the first ones
    Ticket ticket;
    std::uint64_t sequence = 0;  // of the first one's stream; the others' follow
  };
  // Memory for as many of these sizes as there is room for, read ahead of who asks. `needs_first`:
  // the first one is admitted, without a ticket where the budget has none: somebody waits for it,
  // and its bytes are his.
  Admitted admit(std::span<const std::uint64_t> sizes, bool needs_first);
  // Puts the pieces in line, behind the others of their call, which is the same for all. `streams`:
  // those of them that are new.
  void start(std::span<const StreamPtr> streams, const std::vector<PiecePtr>& pieces);
  // Nobody reads these any more. REQUIRES: all of their pieces have ended.
  void retire(std::span<const StreamPtr> streams);
  // Nor these, whose pieces may be in line or in flight still; their memory has been taken back.
  void give_up(std::span<const StreamPtr> streams);
  // The first reply of an object whose size was not known: makes the memory that its piece fills.
  Status take_version(Piece& piece, const ObjectVersion& version, ByteRange range);

 private:
  SchedulerState& state_;
  ChunkFetchOwner& owner_;
};

}  // namespace ossmc
