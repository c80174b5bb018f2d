// ObjectStream: one open object: its version, its table of chunks, and what has been verified and
// handed out of it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "base/wait.h"
#include "fetch/response_check.h"
#include "fetch/small_request_queue.h"
#include "memory/view_region.h"
#include "prefetch/chunk_table.h"
#include "prefetch/learnt_version.h"
#include "prefetch/nearby_bytes.h"
#include "prefetch/prefetch_pause.h"
#include "prefetch/read_pattern.h"
#include "prefetch/verification.h"
#include "protocol/object_name.h"

namespace ossmc {

enum class StreamState : std::uint32_t {
  kOpening,  // the first request is under way, or the HEAD that takes its place
  kOpen,     // version and chunk table are there, for good
  kFailed,   // opening failed
  kClosed,
};

// How an object is opened.
struct StreamOptions {
  // False: nothing is fetched that no read asks for.
  bool prefetches = true;
  // Set: the version that it must be.
  std::optional<ListedVersion> listed = {};
  // Of the reader's stream before this one; null: there was none.
  std::shared_ptr<LearntVersion> learnt = nullptr;
};

// What every use of a closed reader gets, in the words of the io module.
Status closed_status();

// Shared by its reader and the scheduler. Thread-safe as said at each group.
class ObjectStream : public std::enable_shared_from_this<ObjectStream> {
 public:
  // `sequence`: place in the order of open, unique. Chunks are `chunk_bytes` long, the last one
  // maybe shorter.
  ObjectStream(ObjectName name, std::uint64_t sequence, std::uint32_t chunk_bytes,
               StreamOptions options = {});
  // REQUIRES: it is in no list of the scheduler any more (prefetch/stream_link.h).
  ~ObjectStream();
  ObjectStream(const ObjectStream&) = delete;
  ObjectStream& operator=(const ObjectStream&) = delete;

  const ObjectName& name() const { return name_; }
  // The error with this object as its subject. For the text: printable(name().uri()).
  Status error(StatusCode code, std::string message) const;
  std::uint64_t sequence() const { return sequence_; }
  std::uint32_t chunk_bytes() const { return chunk_bytes_; }
  bool prefetches() const { return options_.prefetches; }
  // What the first reply must be of; null: whatever there is.
  const ListedVersion* listed() const { return options_.listed ? &*options_.listed : nullptr; }
  // What replies told of the version. The reader's too, which outlives the stream.
  const std::shared_ptr<LearntVersion>& learnt() const { return options_.learnt; }

  // Any thread. The acquire load makes version() and slot() readable once kOpen was seen (also
  // after a later kClosed).
  StreamState state() const {
    return static_cast<StreamState>(state_.load(std::memory_order_acquire));
  }
  bool is_closed() const { return state() == StreamState::kClosed; }
  void wait_while_opening(Duration limit) const;
  const Status& failure() const { return failure_; }  // REQUIRES: kFailed was seen

  // REQUIRES: kOpen was seen. What requests are pinned by: size and ETag; the rest, which a listing
  // does not tell, is in learnt().
  const ObjectVersion& version() const { return version_; }
  // REQUIRES: the verdict is kGood or kBad, or pass_verdict() is due.
  std::uint64_t expected_crc64() const { return *learnt()->told()->crc64; }
  std::uint64_t size() const { return version_.size; }
  // 0 for an empty object, and while the version is not known: its first request fills slot 0 all
  // the same.
  std::uint64_t chunk_count() const { return chunks_.count(); }
  ChunkSlot& slot(std::uint64_t index) { return chunks_[index]; }
  std::uint64_t chunk_begin(std::uint64_t index) const { return index * chunk_bytes_; }
  std::uint32_t chunk_length(std::uint64_t index) const;

  // Wakes those who wait for the state to change. Not under the scheduler's mutex: it is a system
  // call.
  void wake_openers() const { futex_wake_all(state_); }

  // --- by the scheduler, under its mutex ---
  // From kOpening to kOpen. `index`: of index_for(), for that version.
  void become_open(ObjectVersion version, ChunkTable::Index index, bool verify_crc64);
  // A good reply told this of version(). Then wake verification, under no lock. A text: how it is
  // of another version, and none of its bytes is to be used.
  std::optional<std::string> learn(const ObjectVersion& told);
  void become_failed(Status failure);
  void become_closed();

  using Verdict = Verification::Verdict;
  Verdict verdict() const { return verification.verdict(); }
  Verification verification;

  // What the scheduler plans for this object; guarded by its mutex.
  struct Plan {
    bool is_swept = false;         // the sweep goes through it, or went
    std::uint64_t sweep_next = 0;  // next chunk of the sweep in open order
    bool reading = false;          // a reader moves through it: [ahead_next, ...) is read ahead
    std::uint64_t cursor = 0;      // chunk that the reader was last in
    std::uint64_t ahead_next = 0;  // next chunk to look at for read-ahead
    bool range_was_refused = false;
    std::shared_ptr<PendingReply> head;  // the HEAD that was sent in place of a first GET
    std::uint64_t unread_bytes = 0;      // see Residency
    std::uint64_t placed_bytes = 0;      // see Arrivals
    bool is_announced = false;           // likewise: it comes whole
    int links = 0;             // in the scheduler's lists; counted where assertions are on
    PrefetchPause pause;       // after failures of this object's chunks
    ReadPattern cursor_reads;  // those of its cursor, and all others
    ReadPattern placed_reads;
    bool is_held = false;   // out of the sweep since its reads jump
    int holds = 0;          // how often it was
    bool is_paced = false;  // read ahead as ReadPattern has it, not as far as there is room
    LastNearbyBytes nearby;
    // Chunks live here once somebody asked for a view; after close() only until nobody writes to it
    // or reads from it any more.
    std::shared_ptr<ViewRegion> region;

    ReadPattern& reads(bool by_cursor) { return by_cursor ? cursor_reads : placed_reads; }
  };
  Plan plan;

 private:
  Verification::Expected expected_crc(bool verify_crc64) const;

  const ObjectName name_;
  const std::uint64_t sequence_;
  const std::uint32_t chunk_bytes_;
  const StreamOptions options_;

  std::atomic<std::uint32_t> state_{0};
  Status failure_;         // written before kFailed
  ObjectVersion version_;  // written before kOpen
  ChunkTable chunks_;      // set before kOpen
};

// For become_open(): under no lock. kProtocol: more chunks than a table is made for.
Result<ChunkTable::Index> index_for(const ObjectName& name, std::uint32_t chunk_bytes,
                                    const ObjectVersion& version);

// Judges the object by the CRC-64 of its chunks. REQUIRES: each was fetched, so what was seen of
// them does not change any more; under no lock.
void pass_verdict(ObjectStream& stream);

}  // namespace ossmc
