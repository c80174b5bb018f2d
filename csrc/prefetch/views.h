// Views: what views of whole objects need of the scheduler: memory for a region, and its chunks
// brought there.
#pragma once

#include <cstdint>
#include <memory>

#include "base/status.h"
#include "memory/view_region.h"
#include "prefetch/scheduler_state.h"

namespace ossmc {

// Of Views::try_reserve(). kCopied: not now either, and nobody tells when somebody has copied his
// bytes.
enum class ViewAnswer { kReserved, kNoMemory, kCopied };

// Thread-safe. Owned by the Scheduler; works on its state.
class Views {
 public:
  explicit Views(SchedulerState& state) : state_(state) {}

  std::uint64_t take_turn();  // first come, first served
  // The system has no room for a region of so many bytes: chunks go back to it. False: there is
  // nothing to give up.
  bool give_up_for(std::uint64_t bytes);
  void give_up_turn(std::uint64_t turn);
  // Reserves what a region for the whole object needs beyond its chunks in memory, and claims all
  // chunks; `region` is then in use until finish(). kMemoryBudget: can never be had while the
  // present views live. `fresh` is an empty region of the object's size, which becomes the stream's
  // if it has none yet.
  Status try_reserve(ObjectStream& stream, std::uint64_t turn,
                     const std::shared_ptr<ViewRegion>& fresh, ViewAnswer* answer,
                     std::shared_ptr<ViewRegion>* region);
  // Moves the ready chunk into the object's region. False: it is pinned just now.
  bool move_into_region(ObjectStream& stream, std::uint64_t index);
  std::shared_ptr<ViewRegion> region_of(ObjectStream& stream) const;  // null: none, or closed
  // After try_reserve() gave `region`, filled or not: releases the claims. A view, which uses the
  // region until it is dropped; null if it was not filled.
  std::shared_ptr<ViewRegion> finish(ObjectStream& stream, std::shared_ptr<ViewRegion> region,
                                     bool is_filled);

  MemorySignal& memory_signal() { return state_.memory_signal; }

 private:
  void claim_all(ObjectStream& stream) OSSMC_REQUIRES(state_.mutex);
  void release_all(ObjectStream& stream) OSSMC_REQUIRES(state_.mutex);
  // `unfilled`: the object, if the region was given up before all of it was there.
  void end_use(std::shared_ptr<ViewRegion> region, ObjectStream* unfilled);

  SchedulerState& state_;
};

}  // namespace ossmc
