// Admission: memory for a chunk before it is fetched, and what has to go for it.
#pragma once

#include <cstdint>
#include <memory>

#include "memory/budget.h"
#include "prefetch/freed_memory.h"
#include "prefetch/positions.h"
#include "prefetch/residency.h"
#include "prefetch/view_memory.h"
#include "prefetch/working_set.h"

namespace ossmc {

// Guarded by the scheduler's mutex, which owns it and all that it refers to. What was read and is
// spare goes before fresh memory is taken (docs/decisions/0009-memory-as-a-ceiling.md). When the
// budget is short, consumed chunks go first, then regions that nobody uses, then unread chunks,
// which the sweep fetches again later (docs/decisions/0002-scheduling.md).
class Admission {
 public:
  Admission(std::shared_ptr<Budget> budget, std::uint32_t chunk_bytes, Residency& residency,
            ViewMemory& views, Positions& positions, WorkingSet& working_set);

  // Each gives a ticket for so many bytes, or an empty one.
  // For a read that waits: evicts all that may go, even if it is not enough yet.
  Ticket for_reader(std::uint64_t bytes, FreedMemory* freed);
  // For the first request of an object. Evicts nothing where that is not enough.
  Ticket for_open(std::uint64_t bytes, bool may_evict_unread, FreedMemory* freed);
  // For a chunk that nobody waits for: leaves the reserve free, and takes fresh memory only within
  // the working set. Ahead of a reader; where it may, what others have not read goes for it, but
  // nothing of its own object.
  Ticket for_ahead(ObjectStream& stream, std::uint64_t bytes, bool may_evict_unread, TimePoint now,
                   FreedMemory* freed);
  // In the sweep: what is kept for reading again stays.
  Ticket for_sweep(std::uint64_t bytes, TimePoint now, FreedMemory* freed);
  // For an object that is read ahead into its caller's memory: leaves the reserve free, and gives
  // up what was read alone.
  Ticket for_objects(std::uint64_t bytes, FreedMemory* freed);
  // For a hedge: gives up nothing.
  Ticket for_hedge(std::uint64_t bytes, bool is_awaited) const;
  // For a region beside what its own chunks hold, which stay; but one whose block holds more than
  // the chunk goes when just that is missing, and the ticket is for it too.
  Ticket for_region(ObjectStream& stream, std::uint64_t bytes, FreedMemory* freed);

  // Others who share the budget want so many bytes, or the system has none for them: as much goes,
  // as far as there is. False: nothing.
  bool give_up(std::uint64_t bytes, FreedMemory* freed);

  // Kept free for who waits. Follows the limit, which may move.
  std::uint64_t reserve_bytes() const;
  // How much all read-ahead together may take from unread chunks of other objects. Reads that wait
  // have no such limit.
  std::uint64_t jump_bytes() const { return budget_->limit_bytes() / 4; }
  // Where reads jump, what the next one takes for itself is left to it: fetched by the sweep, it
  // would be given up unread.
  bool sweep_has_room() const;
  void all_are_closed() { reads_jump_ = false; }

  // Since set_starved(false) something did not get its memory, or an unread chunk was evicted:
  // whoever frees memory wakes the I/O threads.
  bool is_starved() const { return is_starved_; }
  void set_starved(bool is_starved) { is_starved_ = is_starved; }

 private:
  struct Wanted {
    std::uint64_t bytes = 0;
    std::uint64_t keep_free = 0;
    Residency::Goes goes = Residency::Goes::kConsumed;
    bool gathers = false;  // takes what may go even if it is not enough
    bool may_grow = true;  // take fresh memory
    const ObjectStream* except = nullptr;
  };
  Ticket take(const Wanted& wanted, FreedMemory* freed);
  // The chunk is gone: what was not read of it the sweep fetches again.
  void note_gone(ObjectStream& stream, std::uint64_t index);
  bool evict_unread(const ObjectStream* except, FreedMemory* freed);
  bool drop_idle_region(FreedMemory* freed);
  std::uint64_t evict_for_room(ObjectStream& stream, std::uint64_t missing, FreedMemory* freed);
  bool empty_region(ObjectStream& stream, FreedMemory* freed);

  const std::shared_ptr<Budget> budget_;
  const std::uint32_t chunk_bytes_;
  Residency& residency_;
  ViewMemory& views_;
  Positions& positions_;
  WorkingSet& working_set_;
  bool reads_jump_ = false;  // read-ahead had to give up unread chunks: reads do not follow the
                             // order of open
  bool is_starved_ = false;
};

}  // namespace ossmc
