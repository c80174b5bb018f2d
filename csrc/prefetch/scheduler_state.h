// SchedulerState: all that is known of open objects, in parts that each keep one thing right, under
// one mutex. What works on it: Picker and Scheduler for the I/O threads, OpenObjects, ChunkClaims
// and Views for callers.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "fetch/fetch_context.h"
#include "fetch/small_request_queue.h"
#include "memory/budget.h"
#include "memory/page_pool.h"
#include "prefetch/admission.h"
#include "prefetch/arrivals.h"
#include "prefetch/fetch_book.h"
#include "prefetch/leftovers.h"
#include "prefetch/limit.h"
#include "prefetch/memory_ceiling.h"
#include "prefetch/memory_signal.h"
#include "prefetch/nearby_bytes.h"
#include "prefetch/object_stream.h"
#include "prefetch/piece_line.h"
#include "prefetch/positions.h"
#include "prefetch/prefetch_pause.h"
#include "prefetch/residency.h"
#include "prefetch/slot_control.h"
#include "prefetch/thread_loads.h"
#include "prefetch/urgent_work.h"
#include "prefetch/view_memory.h"
#include "prefetch/working_set.h"
#include "transfer/exchange.h"

namespace ossmc {

struct SchedulerOptions {
  std::uint32_t chunk_bytes = 4u << 20;
  // Where no whole chunk is to be had for it, an object's first request asks for so much: a small
  // object comes whole, and of a large one not much comes in vain.
  std::uint32_t little_bytes = 256u << 10;
  // See KeptBytes and WorkingSet.
  std::uint64_t kept_bytes = KeptBytes().of_object;
  std::uint64_t least_ready_bytes = 16u << 20;
  PieceSizes pieces = {};
  SlotOptions slots;  // concurrent ranged requests, urgent extra ones not counted
};

// Owned by the Scheduler. Under the mutex nothing is unmapped, nobody is woken, and no foreign code
// runs: what is to be freed or told is taken out and done after.
struct SchedulerState {
  SchedulerState(const SchedulerOptions& options_in, FetchContext& context_in,
                 std::shared_ptr<Budget> budget_in, std::shared_ptr<PagePool> pool_in);

  // The I/O threads ask again.
  void wake() const { transport->wake(); }
  // Memory came free, or somebody's turn came.
  void note_memory() {
    memory_signal.move();
    wake();
  }
  // An I/O thread asks for work.
  void note_sample(TimePoint now) OSSMC_REQUIRES(mutex);
  // Somebody opens or reads.
  void note_use() OSSMC_REQUIRES(mutex) { working_set.note_use(context.clock.now()); }
  // How far ahead of readers is fetched; of this one.
  std::uint64_t window_chunks() const OSSMC_REQUIRES(mutex);
  std::uint64_t window_chunks(const ObjectStream& stream) const OSSMC_REQUIRES(mutex);
  // A fetch of the object ended well. True: that ended a pause, so others may start.
  bool note_success(ObjectStream& stream) OSSMC_REQUIRES(mutex);
  // A fetch of the object gave up: for a while, or for good, nothing starts that nobody waits for.
  // True: another try may succeed.
  bool note_pause(ObjectStream& stream, const Status& status) OSSMC_REQUIRES(mutex);
  // The same for a chunk's, or it could not be started.
  void note_failure(ObjectStream& stream, std::uint64_t index, const Status& status)
      OSSMC_REQUIRES(mutex);

  const SchedulerOptions options;
  FetchContext& context;
  const std::shared_ptr<Budget> budget;
  const std::shared_ptr<PagePool> pool;
  const std::shared_ptr<NearbyRoom> nearby_room;
  SmallRequestQueue small;
  Transport* transport = nullptr;  // constant once work is there
  MemorySignal memory_signal;
  ThreadLoads loads;
  std::atomic<Limit> limit{Limit::kIdle};  // relaxed: a hint for people
  // An I/O thread got nothing since others who share the budget have the memory: after how long it
  // is to ask again; zero: not so. Relaxed: one that misses it asks at the next wake.
  std::atomic<Duration::rep> memory_poll{0};
  // How much one read may claim beyond what it waits for. Relaxed: reads look without the mutex.
  std::atomic<std::uint64_t> claimable_bytes{0};

  mutable Mutex mutex;
  bool closed OSSMC_GUARDED_BY(mutex) = false;
  std::uint64_t next_sequence OSSMC_GUARDED_BY(mutex) = 1;
  std::map<std::uint64_t, std::shared_ptr<ObjectStream>> streams
      OSSMC_GUARDED_BY(mutex);  // open ones, by order of open
  SlotControl slots OSSMC_GUARDED_BY(mutex);
  UrgentWork urgent OSSMC_GUARDED_BY(mutex);
  PieceLine pieces OSSMC_GUARDED_BY(mutex);
  bool is_turn_of_pieces OSSMC_GUARDED_BY(mutex) = false;  // of what is urgent
  Positions positions OSSMC_GUARDED_BY(mutex);
  Residency residency OSSMC_GUARDED_BY(mutex);
  ViewMemory views OSSMC_GUARDED_BY(mutex);
  WorkingSet working_set OSSMC_GUARDED_BY(mutex);
  Admission admission OSSMC_GUARDED_BY(mutex);
  MemoryCeiling ceiling OSSMC_GUARDED_BY(mutex);
  FetchBook fetches OSSMC_GUARDED_BY(mutex);
  Arrivals arrivals OSSMC_GUARDED_BY(mutex);
  Leftovers leftovers OSSMC_GUARDED_BY(mutex);
  PrefetchPause pause OSSMC_GUARDED_BY(mutex);
  // Objects whose first request cannot tell the version: whoever holds the mutex last asks with
  // HEAD.
  std::vector<std::shared_ptr<ObjectStream>> heads_to_ask OSSMC_GUARDED_BY(mutex);
  // When a pause ends that some I/O thread met, while that is to come.
  TimePoint resume_at OSSMC_GUARDED_BY(mutex) = TimePoint::max();
  // Why an I/O thread that got nothing is to ask again soon, as of the last question.
  bool pins_pending OSSMC_GUARDED_BY(mutex) = false;         // somebody is to have copied his bytes
  bool credentials_pending OSSMC_GUARDED_BY(mutex) = false;  // the provider is to answer
};

}  // namespace ossmc
