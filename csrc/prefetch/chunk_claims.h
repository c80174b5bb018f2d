// ChunkClaims: what reads need of the scheduler. A read that must wait for a chunk claims it, and
// tells what it has gone through.
#pragma once

#include <cstdint>
#include <span>

#include "base/status.h"
#include "prefetch/scheduler_state.h"

namespace ossmc {

// Thread-safe. Owned by the Scheduler; works on its state.
class ChunkClaims {
 public:
  explicit ChunkClaims(SchedulerState& state) : state_(state) {}

  // A reader waits for this chunk. If it is not in memory, in flight or in line, it joins the end
  // of the line; in line, it keeps its place. It is not evicted until release(). How many fetches
  // of it have failed before: for failure_since(). `in_piece`: a call receives it just now, and it
  // joins the line after that; nothing is to be claimed ahead meanwhile, for that could take all
  // memory.
  std::uint32_t claim(ObjectStream& stream, std::uint64_t index, bool* in_piece = nullptr);
  // Ahead of the chunk that a read waits for: claims this one too if it has to be fetched and
  // nobody has asked for it yet; false otherwise. What is in memory already must not be held while
  // an earlier claim of the same read waits for memory.
  bool try_claim_ahead(ObjectStream& stream, std::uint64_t index, std::uint32_t* failures);
  // A chunk that nobody claims any more leaves the line, if it was not started. One in flight is
  // fetched to its end and kept as unread. All at once, so that nothing of a read that is over
  // starts meanwhile. Read-ahead and sweep go on as without the read.
  void release(ObjectStream& stream, std::span<const std::uint64_t> indices);
  void release(ObjectStream& stream, std::uint64_t index) { release(stream, {&index, 1}); }

  // The reader went through this chunk; all its bytes were handed out if `consumed`.
  // `by_cursor`: else by a read at a place.
  void note_read(ObjectStream& stream, std::uint64_t index, bool consumed, bool by_cursor);
  // The cursor's read waits for this chunk: what lies behind it is read ahead already.
  void note_reached(ObjectStream& stream, std::uint64_t index);
  // A read has copied from a chunk of a closed stream: its memory goes if it was the last.
  void retake_closed(ObjectStream& stream, std::uint64_t index);

  bool was_fetched(ObjectStream& stream, std::uint64_t index) const;  // completely, at least once
  // Whether both streams fetched the chunk completely, with the same bytes (CRC-64).
  bool is_same_chunk(ObjectStream& one, ObjectStream& other, std::uint64_t index) const;
  // OK, or why a fetch has failed since the claim that told `failures`. It counts though somebody
  // has asked again since: the chunk is then behind others in line, which a read that waits for it
  // may hold (docs/decisions/0002-scheduling.md).
  Status failure_since(ObjectStream& stream, std::uint64_t index, std::uint32_t failures) const;
  // The same of a claimed chunk that is not there. If nothing failed, and it is neither in flight
  // nor in line, what fetched it was ended, or a call has received it elsewhere: `asked`, it joins
  // the line.
  Status look_again(ObjectStream& stream, std::uint64_t index, std::uint32_t failures, bool* asked);

 private:
  bool is_in_piece(ChunkSlot& slot) OSSMC_REQUIRES(state_.mutex);
  void take_of_closed(ObjectStream& stream, std::uint64_t index, FreedMemory* freed)
      OSSMC_REQUIRES(state_.mutex);

  SchedulerState& state_;
};

}  // namespace ossmc
