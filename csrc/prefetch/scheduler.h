// Scheduler: who fetches what next. The policy of the connector, and the only room that has it.
//
// Three classes of work, each served only when the ones above it have nothing to start:
//   urgent   a blocked reader's chunk, the first request of an object that is being opened, HEAD
//            requests: first come, first served; they may use all of the budget, and more
//            connections than the others
//   ahead    the next chunks of objects that are being read
//   sweep    all objects in the order of open, chunks ascending
// A chunk is started only when its whole memory is reserved (docs/decisions/0002-scheduling.md).
// Ahead and sweep leave a reserve free for blocked readers. When memory is short, consumed chunks
// go first; for urgent work then the unread chunk furthest in the order of open, which the sweep
// fetches again later. After failures the lower classes pause (prefetch/prefetch_pause.h); an
// object that cannot be fetched any more, since it is gone or another, leaves them.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "fetch/chunk_fetch.h"
#include "fetch/hedge.h"
#include "fetch/small_request_queue.h"
#include "memory/budget.h"
#include "memory/page_pool.h"
#include "prefetch/hedge_rule.h"
#include "prefetch/object_stream.h"
#include "prefetch/prefetch_pause.h"
#include "prefetch/residency.h"
#include "prefetch/slot_control.h"
#include "prefetch/stream_link.h"
#include "transfer/exchange.h"

namespace ossmc {

struct SchedulerOptions {
  std::uint32_t chunk_bytes = 8u << 20;
  SlotOptions slots;  // concurrent ranged requests, urgent extra ones not counted
};

// Of try_reserve_view(). kCopied: not now either, and nobody tells when somebody has copied his
// bytes.
enum class ViewAnswer { kReserved, kNoMemory, kCopied };

// Thread-safe. Owned by the engine; outlives the I/O threads. One mutex guards all decisions; no
// system call, allocation of chunk memory or foreign code runs under it.
class Scheduler final : public WorkSource, public ChunkFetchOwner, public HedgeOwner {
 public:
  Scheduler(SchedulerOptions options, FetchContext& context, std::shared_ptr<Budget> budget,
            std::shared_ptr<PagePool> pool);
  ~Scheduler() override;

  // The I/O threads to wake for new work. Before the first open().
  void set_transport(Transport* transport);
  SmallRequestQueue& small_requests() { return small_; }

  // --- by callers' threads ---
  // Puts the object behind all opened before it and asks for its first chunk. Does not block.
  std::shared_ptr<ObjectStream> open(ObjectName name);
  // The same for an object whose version is known already (a reader reopened in a forked child). No
  // request is made yet.
  Result<std::shared_ptr<ObjectStream>> open_known(ObjectName name, const ObjectVersion& version);
  // The same for an object that came with wrong bytes: all of it is fetched anew, from the next
  // claim on.
  Result<std::shared_ptr<ObjectStream>> open_again(const ObjectStream& suspect);
  // What a HEAD said about a stream in kNeedsHead.
  void complete_open(ObjectStream& stream, const Result<ObjectVersion>& version);
  // Gives its memory back, cancels its fetches, ends its blocked reads. No-op the second time.
  void close(ObjectStream& stream);
  // All streams, and no new ones.
  void close_all();

  // A reader waits for this chunk: it is in flight or first in line afterwards, and stays in memory
  // until release_claim(). How many fetches of it have failed before: for failure_since().
  std::uint32_t claim(ObjectStream& stream, std::uint64_t index);
  // Ahead of the chunk that a read waits for: claims this one too if it has to be fetched and
  // nobody has asked for it yet; false otherwise. What is in memory already must not be held while
  // an earlier claim of the same read waits for memory.
  bool try_claim_ahead(ObjectStream& stream, std::uint64_t index, std::uint32_t* failures);
  void release_claim(ObjectStream& stream, std::uint64_t index);
  // Somebody has copied from a chunk of a closed stream: its memory goes if he was the last.
  void retake_closed(ObjectStream& stream, std::uint64_t index);
  bool was_fetched(ObjectStream& stream, std::uint64_t index) const;  // completely, at least once
  // Whether both streams fetched the chunk completely, with the same bytes (CRC-64).
  bool is_same_chunk(ObjectStream& one, ObjectStream& other, std::uint64_t index) const;
  // OK, or why a fetch has failed since the claim that told `failures`. It counts though somebody
  // has asked again since: the chunk is then behind others in line, which a read that waits for it
  // may hold (docs/decisions/0002-scheduling.md).
  Status failure_since(ObjectStream& stream, std::uint64_t index, std::uint32_t failures) const;
  // The reader went through this chunk; all its bytes were handed out if `consumed`.
  void note_read(ObjectStream& stream, std::uint64_t index, bool consumed);

  // --- views (prefetch/object_view.h) ---
  // Reserves what a region for the whole object needs beyond its chunks in memory, and claims
  // those. kMemoryBudget: can never be had while the present views live. `fresh` is an empty region
  // of the object's size, which becomes the stream's if it has none yet.
  Status try_reserve_view(ObjectStream& stream, std::uint64_t turn,
                          const std::shared_ptr<ViewRegion>& fresh, ViewAnswer* answer);
  std::uint64_t take_view_turn();  // first come, first served
  void give_up_view_turn(std::uint64_t turn);
  // Moves the ready chunk into the object's region. False: it is pinned just now.
  bool move_into_region(ObjectStream& stream, std::uint64_t index);
  std::shared_ptr<ViewRegion> region_of(ObjectStream& stream) const;  // null once closed
  // Releases the claims of try_reserve_view; after success and failure alike.
  void finish_view(ObjectStream& stream);
  // Moves when memory came free, or somebody's turn came.
  std::uint32_t memory_epoch() const { return memory_epoch_.load(); }
  // Until it is not `epoch` any more, or `limit` has passed. May return early.
  void wait_for_memory(std::uint32_t epoch, Duration limit);
  // Somebody gave memory back that the scheduler does not see go: the last view of a region.
  void note_memory_released();

  // --- for stats() ---
  std::uint64_t memory_bytes() const;  // of open readers and live views
  std::string_view limited_by() const;
  bool is_paused() const;  // nothing starts that nobody waits for, since fetches fail
  const std::shared_ptr<Budget>& budget() const { return budget_; }
  const FetchContext& context() const { return context_; }

  // --- WorkSource, ChunkFetchOwner, HedgeOwner: by I/O threads ---
  Exchange* next(int thread, const Occupancy& occupancy) noexcept override;
  TimePoint next_due() noexcept override;
  Status on_version(ChunkFetch& fetch, const ObjectVersion& version, ByteRange range) override;
  void on_retry(ChunkFetch& fetch, TimePoint due) override;
  void on_finished(ChunkFetch& fetch, const Status& status) override;
  void on_hedge_ended(Hedge& hedge) override;

 private:
  // Urgent work may have this many exchanges in an I/O thread more than ordinary work: a blocked
  // reader does not wait for a bulk transfer to end.
  static constexpr int kUrgentExtraSlots = 8;

  using StreamPtr = std::shared_ptr<ObjectStream>;
  Result<StreamPtr> open_version(ObjectName name, const ObjectVersion& version, bool sweep);
  enum class Limit : std::uint8_t { kIdle, kNetwork, kPause, kMemory, kReader, kCpu, kThrottle };
  struct Pick {
    StreamPtr stream;
    std::uint64_t index = 0;
    std::uint32_t length = 0;
    bool is_first = false;  // the request that tells the object's version
    Ticket ticket;
    std::byte* region_data = nullptr;  // set: fill there, no ticket
    ChunkFetch* retry = nullptr;       // set: an earlier fetch runs again
    bool is_refetch = false;           // it was complete once
    SeenBytes seen;                    // with verify.crc64: what must come again
    ChunkFetch* slow = nullptr;        // set: a second request for bytes `hedged` of its object
    ByteRange hedged;
    bool wake_others = false;  // there may be more to start, and no slot here
  };
  struct Job {  // of a fetch in flight
    StreamPtr stream;
    std::uint64_t index = 0;
    bool in_region = false;
    bool is_parked = false;  // in retries_
    TimePoint started_at{};  // of the attempt in progress
    bool was_hedged = false;
    std::shared_ptr<Hedge> hedge;  // in progress, or used
  };
  struct HedgeJob {  // in progress
    std::shared_ptr<Hedge> hedge;
    StreamPtr stream;
    ChunkFetch* slow;  // null once that has ended
  };

  bool has_work_locked(TimePoint now) const OSSMC_REQUIRES(mutex_);
  bool pick_locked(int thread, const Occupancy& occupancy, TimePoint now, Pick* pick,
                   FreedMemory* freed) OSSMC_REQUIRES(mutex_);
  // An I/O thread gets nothing, and this is why.
  void note_limit_locked(int thread, Limit limit, TimePoint now) OSSMC_REQUIRES(mutex_);
  bool pick_urgent_locked(Pick* pick, FreedMemory* freed, bool* blocked) OSSMC_REQUIRES(mutex_);
  bool pick_past_blocked_locked(Pick* pick) OSSMC_REQUIRES(mutex_);
  bool pick_ahead_locked(TimePoint now, Pick* pick, FreedMemory* freed, bool regions_only)
      OSSMC_REQUIRES(mutex_);
  bool pick_sweep_locked(TimePoint now, Pick* pick, FreedMemory* freed) OSSMC_REQUIRES(mutex_);
  // Of all work that nobody waits for, or of an object's. Notes when to look again.
  bool is_paused_locked(const PrefetchPause& pause, TimePoint now) OSSMC_REQUIRES(mutex_);
  // Something of it was started that nobody waits for.
  void note_start_locked(ObjectStream& stream, TimePoint now) OSSMC_REQUIRES(mutex_);
  ObjectStream* first_of_sweep_locked(TimePoint now) OSSMC_REQUIRES(mutex_);  // null: none
  static bool is_before(const Job& one, const Job& other);
  bool pick_hedge_locked(TimePoint now, Pick* pick) OSSMC_REQUIRES(mutex_);
  Exchange* start_hedge(Pick& pick);
  // The chunk needs none any more. `ended` is to be destroyed without the mutex.
  void end_hedge_locked(Job& job, std::shared_ptr<Hedge>* ended) OSSMC_REQUIRES(mutex_);
  bool admit_locked(ObjectStream& stream, std::uint64_t index, std::uint64_t keep_free,
                    bool may_evict_unread, Pick* pick, FreedMemory* freed) OSSMC_REQUIRES(mutex_);
  bool evict_unread_locked(const ObjectStream* except, FreedMemory* freed) OSSMC_REQUIRES(mutex_);
  void sweep_again_locked(ObjectStream& stream, std::uint64_t index) OSSMC_REQUIRES(mutex_);
  bool drop_idle_region_locked(FreedMemory* freed) OSSMC_REQUIRES(mutex_);
  std::uint64_t window_chunks_locked() const OSSMC_REQUIRES(mutex_);
  // What readers may take from unread chunks of others, over all of them.
  std::uint64_t jump_bytes() const { return budget_->limit_bytes() / 4; }
  std::uint64_t view_bytes_locked(FreedMemory* freed) const OSSMC_REQUIRES(mutex_);
  void queue_urgent_locked(ObjectStream& stream, std::uint64_t index) OSSMC_REQUIRES(mutex_);
  void start_sweep_locked(ObjectStream& stream, std::uint64_t from) OSSMC_REQUIRES(mutex_);
  // Leaves an open to who waits for it: it asks with HEAD.
  void hand_over_open_locked(ObjectStream& stream) OSSMC_REQUIRES(mutex_);
  // True: somebody waits for the chunk, see Chunk::fail_quietly().
  bool fail_chunk_locked(const Job& job, const Status& status, FreedMemory* freed)
      OSSMC_REQUIRES(mutex_);
  void note_failure_locked(ObjectStream& stream, std::uint64_t index, const Status& status)
      OSSMC_REQUIRES(mutex_);
  // Whoever asked for it, ahead of a reader or in the sweep, is to ask again.
  void fetch_again_locked(ObjectStream& stream, std::uint64_t index) OSSMC_REQUIRES(mutex_);
  // `parked`: the fetches that wait for a retry, which the caller ends without the mutex.
  void close_locked(ObjectStream& stream, FreedMemory* freed, std::vector<Chunk*>* waited_for,
                    std::vector<ChunkFetch*>* parked) OSSMC_REQUIRES(mutex_);
  void retake_lingering_locked(FreedMemory* freed) OSSMC_REQUIRES(mutex_);
  // Of a closed object, unless somebody still writes to it or reads from it.
  void give_up_region_locked(ObjectStream& stream, FreedMemory* freed) OSSMC_REQUIRES(mutex_);
  void retake_closed_locked(ObjectStream& stream, std::uint64_t index, FreedMemory* freed)
      OSSMC_REQUIRES(mutex_);
  bool take_locked(ObjectStream& stream, std::uint64_t index, FreedMemory* freed)
      OSSMC_REQUIRES(mutex_);
  void bump_memory_epoch();
  // Starts what was picked; null: it could not be started and has been ended.
  Exchange* start(Pick& pick);
  void wake() const { transport_->wake(); }

  const SchedulerOptions options_;
  FetchContext& context_;
  const std::shared_ptr<Budget> budget_;
  const std::shared_ptr<PagePool> pool_;
  const std::uint64_t reserve_bytes_;  // kept free for blocked readers
  SmallRequestQueue small_;
  Transport* transport_ = nullptr;  // constant after set_transport()

  // A Dekker pair (seq_cst): who waits counts itself, then looks at the epoch; who moves the epoch
  // then looks for waiters, and wakes nobody, which is a system call, where there are none.
  std::atomic<std::uint32_t> memory_epoch_{0};
  std::atomic<int> memory_waiters_{0};
  std::atomic<Limit> limit_{Limit::kIdle};  // relaxed: a hint for people

  mutable Mutex mutex_;
  SlotControl slots_;  // guarded by mutex_, but for measure_load()
  bool closed_ OSSMC_GUARDED_BY(mutex_) = false;
  std::uint64_t next_sequence_ OSSMC_GUARDED_BY(mutex_) = 1;
  std::map<std::uint64_t, StreamPtr> streams_
      OSSMC_GUARDED_BY(mutex_);  // open ones, by order of open
  std::deque<std::pair<StreamPtr, std::uint64_t>> urgent_ OSSMC_GUARDED_BY(mutex_);
  std::map<std::uint64_t, StreamLink> reading_ OSSMC_GUARDED_BY(mutex_);
  std::map<std::uint64_t, StreamLink> sweep_
      OSSMC_GUARDED_BY(mutex_);  // those with chunks left to sweep
  std::multimap<TimePoint, ChunkFetch*> retries_ OSSMC_GUARDED_BY(mutex_);
  std::map<ChunkFetch*, Job> jobs_ OSSMC_GUARDED_BY(mutex_);
  std::map<Hedge*, HedgeJob> hedges_ OSSMC_GUARDED_BY(mutex_);
  HedgeRule hedge_rule_ OSSMC_GUARDED_BY(mutex_);
  TimePoint look_for_slow_at_ OSSMC_GUARDED_BY(mutex_){};
  Residency residency_ OSSMC_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<ObjectStream>> lingering_
      OSSMC_GUARDED_BY(mutex_);  // closed while somebody copied from them
  std::vector<StreamPtr> openers_to_wake_ OSSMC_GUARDED_BY(mutex_);  // by whoever picked
  std::deque<std::uint64_t> view_turns_ OSSMC_GUARDED_BY(mutex_);
  std::uint64_t next_view_turn_ OSSMC_GUARDED_BY(mutex_) = 0;
  std::vector<std::weak_ptr<ViewRegion>> regions_ OSSMC_GUARDED_BY(mutex_);
  bool reads_jump_ OSSMC_GUARDED_BY(mutex_) =
      false;  // read-ahead had to give up unread chunks: reads do not follow the order of open
  bool starved_ OSSMC_GUARDED_BY(mutex_) =
      false;  // something waits for memory: wake when some is freed
  PrefetchPause pause_ OSSMC_GUARDED_BY(mutex_);
  TimePoint resume_at_ OSSMC_GUARDED_BY(mutex_) =
      TimePoint::max();  // when what is paused may go on, as of the last pick
  // What waits for memory may have it as soon as somebody has copied his bytes: look again soon.
  bool pins_pending_ OSSMC_GUARDED_BY(mutex_) = false;
  bool credentials_pending_ OSSMC_GUARDED_BY(mutex_) =
      false;  // look again soon: the provider has not answered
};

}  // namespace ossmc
