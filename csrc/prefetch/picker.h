// Picker: what to start next. The policy of the connector, and the only room that has it.
//
// Three classes of work, each served only when the ones above it have nothing to start:
//   urgent   a blocked reader's chunk, the first request of an object that is being opened: first
//            come, first served; they may use all of the budget, and more connections than the
//            others. In turn with them small pieces (prefetch/piece_line.h), which need no memory
//   bulk     large pieces
//   ahead    the next chunks of objects that are being read
//   sweep    all objects in the order of open, chunks ascending
// Before all of them come retries that are due, which have their memory, and hedges. While the
// first in line waits for memory, only what needs none starts, and HEADs.
// A request is started only when the memory of what it asks for is reserved
// (docs/decisions/0002-scheduling.md).
// Ahead and sweep leave a reserve free for blocked readers. After failures the lower classes pause
// (prefetch/prefetch_pause.h); an object that cannot be fetched any more, since it is gone or
// another, leaves them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "prefetch/freed_memory.h"
#include "prefetch/scheduler_state.h"

namespace ossmc {

// What was picked. Its chunk is Work::kInFlight, or it is a piece.
struct Pick {
  std::shared_ptr<ObjectStream> stream;
  std::uint64_t index = 0;
  std::shared_ptr<Piece> piece;
  std::uint64_t place = 0;  // where it was in line; 0: it was not
  std::uint32_t length = 0;
  bool is_first = false;  // the request that tells the object's version
  Ticket ticket;
  std::byte* region_data = nullptr;  // set: fill there, no ticket
  bool is_refetch = false;           // it was complete once
  SeenBefore seen;                   // with verify.crc64: what must come again
  ChunkFetch* retry = nullptr;       // set: an earlier fetch runs again
  ChunkFetch* slow = nullptr;        // set: a hedge of it, for bytes `hedged` of its object
  ByteRange hedged;
};

// Owned by the Scheduler; works on its state.
class Picker {
 public:
  // Urgent work may have this many exchanges in an I/O thread more than ordinary work: a blocked
  // reader does not wait for a bulk transfer to end.
  static constexpr int kUrgentExtraSlots = 8;

  explicit Picker(SchedulerState& state) : state_(state) {}

  // --- REQUIRES: the caller, who knows the state by another name, holds its mutex ---
  bool has_work(TimePoint now) const;
  // False: nothing may start now in that I/O thread, and state_.limit says why.
  bool pick(int thread, const Occupancy& occupancy, TimePoint now, Pick* pick, FreedMemory* freed);
  // Whether what takes nothing of the thread's time may start there, or what is the first for whom
  // it is for: what the limit of bytes a second holds back is in nobody's way.
  bool has_urgent_slot(int thread, const Occupancy& occupancy) const;
  // An I/O thread gets nothing, and this is why.
  void note_limit(int thread, Limit limit, TimePoint now);

 private:
  enum class Urgent : std::uint8_t { kNone, kPicked, kBlocked };

  bool pick_retry(TimePoint now, Pick* pick) OSSMC_REQUIRES(state_.mutex);
  bool pick_hedge(TimePoint now, Pick* pick) OSSMC_REQUIRES(state_.mutex);
  Urgent pick_urgent(bool is_held_back, Pick* pick, FreedMemory* freed)
      OSSMC_REQUIRES(state_.mutex);
  Urgent pick_claim(Pick* pick, FreedMemory* freed) OSSMC_REQUIRES(state_.mutex);
  bool pick_piece(const std::shared_ptr<Piece>& piece, Pick* pick) OSSMC_REQUIRES(state_.mutex);
  bool give_up_claimed(FreedMemory* freed) OSSMC_REQUIRES(state_.mutex);
  bool pick_past_blocked(Pick* pick) OSSMC_REQUIRES(state_.mutex);
  bool pick_ahead(TimePoint now, Pick* pick, FreedMemory* freed, bool regions_only)
      OSSMC_REQUIRES(state_.mutex);
  bool pick_sweep(TimePoint now, Pick* pick, FreedMemory* freed) OSSMC_REQUIRES(state_.mutex);

  // Memory for it, or false.
  bool admit_open(ObjectStream& stream, Pick* pick, FreedMemory* freed)
      OSSMC_REQUIRES(state_.mutex);
  bool admit_urgent(ObjectStream& stream, std::uint64_t index, Pick* pick, FreedMemory* freed)
      OSSMC_REQUIRES(state_.mutex);
  bool admit_ahead(ObjectStream& stream, std::uint64_t index, bool may_evict_unread, TimePoint now,
                   Pick* pick, FreedMemory* freed) OSSMC_REQUIRES(state_.mutex);
  bool admit_sweep(ObjectStream& stream, std::uint64_t index, TimePoint now, Pick* pick,
                   FreedMemory* freed) OSSMC_REQUIRES(state_.mutex);
  void fill_pick(ObjectStream& stream, std::uint64_t index, Pick* pick)
      OSSMC_REQUIRES(state_.mutex);

  // Of all work that nobody waits for, or of an object's. Notes when to look again.
  bool is_paused(const PrefetchPause& pause, TimePoint now) OSSMC_REQUIRES(state_.mutex);
  // Something of it was started that nobody waits for.
  void note_start(ObjectStream& stream, TimePoint now) OSSMC_REQUIRES(state_.mutex);
  ObjectStream* first_of_sweep(TimePoint now) OSSMC_REQUIRES(state_.mutex);  // null: none

  SchedulerState& state_;
};

}  // namespace ossmc
