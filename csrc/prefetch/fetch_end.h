// FetchEnd: puts down what became of a chunk whose fetch has ended.
#pragma once

#include <vector>

#include "base/status.h"
#include "prefetch/open_objects.h"
#include "prefetch/scheduler_state.h"

namespace ossmc {

// Used by the I/O threads, and by who closes an object. Owned by the Scheduler; works on its state.
class FetchEnd {
 public:
  FetchEnd(SchedulerState& state, OpenObjects& objects) : state_(state), objects_(objects) {}

  void finish(ChunkFetch& fetch, const Status& status) OSSMC_EXCLUDES(state_.mutex);
  // Its hedge is in progress no longer. True: the fetch, which waited for a retry, is the caller's,
  // to be finished with what the hedge has.
  bool finish_hedge(ChunkFetch& fetch, bool whole) OSSMC_EXCLUDES(state_.mutex);

 private:
  // What has to be done without the mutex.
  struct After {
    FreedMemory freed;
    Chunk* waited_for = nullptr;
    bool is_last_crc = false;
    bool openers_wait = false;
    bool others_may_start = false;
    std::vector<std::shared_ptr<ObjectStream>> heads;
  };
  void put_down_bytes(const FetchBook::Entry& entry, After* after) OSSMC_REQUIRES(state_.mutex);
  void put_down_version(const FetchBook::Entry& entry, After* after) OSSMC_REQUIRES(state_.mutex);
  void put_down_piece(const FetchBook::Entry& entry, bool is_version_only, const Status& status,
                      After* after) OSSMC_REQUIRES(state_.mutex);
  void put_down_given_up(const FetchBook::Entry& entry, After* after) OSSMC_REQUIRES(state_.mutex);
  void put_down_failure(const FetchBook::Entry& entry, const ChunkFetch& fetch,
                        const Status& status, After* after) OSSMC_REQUIRES(state_.mutex);
  bool asks_head(const ChunkFetch& fetch) const;

  SchedulerState& state_;
  OpenObjects& objects_;
};

}  // namespace ossmc
