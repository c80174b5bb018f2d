// FetchStarter: makes an exchange of what was picked.
#pragma once

#include <memory>

#include "prefetch/picker.h"
#include "prefetch/scheduler_state.h"

namespace ossmc {

// Used by the I/O threads. Owned by the Scheduler; works on its state.
class FetchStarter {
 public:
  // `owner`: of the fetches that are made.
  FetchStarter(SchedulerState& state, ChunkFetchOwner& owner) : state_(state), owner_(owner) {}

  // Null: it could not be started, and has been ended or put back.
  Exchange* start(Pick& pick) OSSMC_EXCLUDES(state_.mutex);

 private:
  ChunkFetch* begin(Pick& pick);
  ChunkFetch* begin_piece(Pick& pick);
  // The fetch of what was picked is in the book, and runs.
  ChunkFetch* add(FetchBook::Entry entry, const Pick& pick);
  bool begin_fill(Pick& pick);
  std::unique_ptr<ChunkFetch> make_fetch(const Pick& pick);
  // The system has no memory for it.
  void put_back(Pick& pick) OSSMC_EXCLUDES(state_.mutex);
  Status refused(const Pick& pick) const;
  Exchange* start_hedge(Pick& pick);

  SchedulerState& state_;
  ChunkFetchOwner& owner_;
};

}  // namespace ossmc
