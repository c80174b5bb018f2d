// ObjectStream: one open object: its version, its table of chunks, and what has been verified and
// handed out of it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/status.h"
#include "base/wait.h"
#include "fetch/chunk_fetch.h"
#include "fetch/response_check.h"
#include "memory/chunk.h"
#include "memory/view_region.h"
#include "prefetch/prefetch_pause.h"
#include "protocol/object_name.h"

namespace ossmc {

enum class StreamState : std::uint32_t {
  kOpening,    // the first request is under way
  kNeedsHead,  // it could not tell the version (no memory for a chunk, or an empty object): whoever
               // opens asks with HEAD
  kOpen,       // version and chunk table are there, for good
  kFailed,     // opening failed
  kClosed,
};

// What every use of a closed reader gets, in the words of the io module.
Status closed_status();

// A chunk and what the scheduler knows of it. All but `chunk` is guarded by the scheduler's mutex.
struct ChunkSlot {
  enum class Work : std::uint8_t { kNone, kUrgent, kInFlight };

  Chunk chunk;
  Work work = Work::kNone;
  bool fetched_before = false;  // completely, at least once
  bool in_region = false;       // its bytes lie, or will lie, in the object's region
  std::uint16_t claims = 0;     // blocked reads (and views) that this chunk was given to; it stays
                                // until they have its bytes
  SeenBytes seen;               // of the chunk as first fetched, whole or as far as it came
  Status failure;  // of the last fetch, if another was in vain, while nobody has asked again
  std::uint32_t failures = 0;         // how many fetches have failed
  Status last_failure;                // of the last of them
  std::unique_ptr<ChunkFetch> fetch;  // while kInFlight
};

// Shared by its reader and the scheduler. Thread-safe as said at each group.
class ObjectStream : public std::enable_shared_from_this<ObjectStream> {
 public:
  // `sequence`: place in the order of open, unique. Chunks are `chunk_bytes` long, the last one
  // maybe shorter.
  ObjectStream(ObjectName name, std::uint64_t sequence, std::uint32_t chunk_bytes);
  // REQUIRES: it is in no list of the scheduler any more (prefetch/stream_link.h).
  ~ObjectStream();
  ObjectStream(const ObjectStream&) = delete;
  ObjectStream& operator=(const ObjectStream&) = delete;

  const ObjectName& name() const { return name_; }
  // The error with this object as its subject. For the text: printable(name().uri()).
  Status error(StatusCode code, std::string message) const;
  std::uint64_t sequence() const { return sequence_; }
  std::uint32_t chunk_bytes() const { return chunk_bytes_; }

  // Any thread. The acquire load makes version() and slot() readable once kOpen was seen (also
  // after a later kClosed).
  StreamState state() const {
    return static_cast<StreamState>(state_.load(std::memory_order_acquire));
  }
  bool is_closed() const { return state() == StreamState::kClosed; }
  void wait_while_opening(Duration limit) const;
  const Status& failure() const { return failure_; }  // REQUIRES: kFailed was seen

  // REQUIRES: kOpen was seen.
  const ObjectVersion& version() const { return version_; }
  std::uint64_t size() const { return version_.size; }
  std::uint64_t chunk_count() const { return chunk_count_; }
  // False for chunk 0 of an empty object, and of one whose version is not known: its first request
  // fills that slot all the same.
  bool has_chunk(std::uint64_t index) const { return index < chunk_count_; }
  ChunkSlot& slot(std::uint64_t index) { return index == 0 ? first_ : rest_[index - 1]; }
  std::uint64_t chunk_begin(std::uint64_t index) const { return index * chunk_bytes_; }
  std::uint32_t chunk_length(std::uint64_t index) const;

  // --- verification; any thread ---
  enum class Verdict : std::uint32_t { kPending, kGood, kBad, kNothingToCheck };
  // Sequentially consistent with what ObjectReader notes of the bytes that left it.
  Verdict verdict() const { return static_cast<Verdict>(verdict_.load()); }
  void wait_for_verdict(Duration limit) const;
  // A reader handed out the last missing byte of a chunk.
  void note_chunk_handed_out() { not_handed_out_.fetch_sub(1, std::memory_order_acq_rel); }
  // Whoever has bytes in hand that he has noted so, and sees true, waits for the verdict.
  bool needs_verdict() const {
    return verdict() == Verdict::kBad ||
           (verdict() == Verdict::kPending && not_handed_out_.load(std::memory_order_acquire) == 0);
  }

  // Wakes those who wait for the state to change. Not under the scheduler's mutex: it is a system
  // call.
  void wake_openers() const { futex_wake_all(state_); }
  void wake_verdict_waiters() const { futex_wake_all(verdict_); }

  // --- by the scheduler, under its mutex ---
  // From kOpening or kNeedsHead to kOpen. kProtocol: more chunks than a table is made for.
  Status become_open(ObjectVersion version, bool verify_crc64);
  void become_needs_head();
  void become_failed(Status failure);
  void become_closed();
  // A chunk's CRC became known for the first time. True: the last one, call pass_verdict() (outside
  // the mutex).
  bool note_crc_known();
  void pass_verdict();

  // What the scheduler plans for this object; guarded by its mutex.
  struct Plan {
    std::uint64_t sweep_next = 0;  // next chunk of the sweep in open order
    bool reading = false;          // a reader moves through it: [ahead_next, ...) is read ahead
    std::uint64_t cursor = 0;      // chunk that the reader was last in
    std::uint64_t ahead_next = 0;  // next chunk to look at for read-ahead
    bool range_was_refused = false;
    int links = 0;        // in the scheduler's lists; counted where assertions are on
    PrefetchPause pause;  // after failures of this object's chunks
    // Chunks live here once somebody asked for a view; after close() only until nobody writes to it
    // or reads from it any more.
    std::shared_ptr<ViewRegion> region;
  };
  Plan plan;

 private:
  void set_state(StreamState state);

  const ObjectName name_;
  const std::uint64_t sequence_;
  const std::uint32_t chunk_bytes_;

  std::atomic<std::uint32_t> state_{0};
  Status failure_;         // written before kFailed
  ObjectVersion version_;  // written before kOpen
  std::uint64_t chunk_count_ = 0;
  ChunkSlot first_;  // exists before the size is known: the first request fills it
  std::unique_ptr<ChunkSlot[]> rest_;

  std::atomic<std::uint32_t> verdict_{0};
  std::atomic<std::uint64_t> not_handed_out_{0};
  std::uint64_t crc_missing_ = 0;  // scheduler's mutex
};

}  // namespace ossmc
