// FetchBook: the fetches in flight, which of them wait for a retry, and which of them have or need
// a second request.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "fetch/chunk_fetch.h"
#include "prefetch/hedge_rule.h"
#include "prefetch/object_stream.h"
#include "prefetch/piece.h"
#include "prefetch/view_memory.h"

namespace ossmc {

// Guarded by the scheduler's mutex, which owns it. Holds the ChunkFetch objects; their events go to
// the Scheduler.
//
// Holds: a fetch is here until neither its own exchange nor its hedge is in progress; one that
// waits for a retry (is parked) has no exchange of its own.
class FetchBook {
 public:
  struct Entry {
    std::unique_ptr<ChunkFetch> fetch;
    std::shared_ptr<ObjectStream> stream;
    std::uint64_t index = 0;
    std::shared_ptr<Piece> piece;  // of the chunk; null: all of it, in chunk memory
    bool in_region = false;
    bool is_parked = false;
    bool has_ended = false;   // and its hedge is in progress still
    TimePoint started_at{};   // of the attempt in progress
    bool was_hedged = false;  // it gets one hedge
    bool hedge_runs = false;
  };

  Entry& add(Entry entry);
  Entry& at(const ChunkFetch& fetch);
  // Null: it is not here any more.
  Entry* find(const ChunkFetch* fetch);
  std::size_t running() const { return running_; }
  // Those that have not ended.
  template <typename Look>
  void for_each(const Look& look) const {
    for (const auto& [key, entry] : entries_) {
      if (!entry.has_ended) look(entry);
    }
  }
  bool empty() const { return running_ == 0; }  // but for hedges of fetches that have ended

  // --- retries ---
  void park(Entry& entry, TimePoint due);
  void unpark(Entry& entry, TimePoint now);
  ChunkFetch* next_retry(TimePoint now) const;  // null: none is due
  TimePoint next_due() const;                   // TimePoint::max(): none waits

  // --- ends ---
  // The fetch has ended. Its entry is to be destroyed under no lock; where its hedge is in
  // progress that is told to end, and the entry has no fetch: end_hedge() will give that.
  Entry end(const ChunkFetch& fetch);
  // Its hedge has ended. What is to be destroyed under no lock: the fetch, if it has ended before.
  std::unique_ptr<ChunkFetch> end_hedge(const ChunkFetch& fetch);
  // The object is closed: ends what is in progress soon. Those that were parked, which the caller
  // ends under no lock.
  std::vector<ChunkFetch*> cancel_stream(const ObjectStream& stream);
  std::vector<ChunkFetch*> cancel_streams(const std::function<bool(const ObjectStream&)>& is_over);
  // The same for the pieces of a call that has ended; and for what is fetched of an object ahead of
  // its reads and nobody has claimed or copies from.
  std::vector<ChunkFetch*> cancel_call(const PieceCall& call);
  std::vector<ChunkFetch*> cancel_unclaimed(ObjectStream& stream);

  // --- second requests ---
  // The slowest chunk that needs one now; null: none. Looks at most every 20 ms. `nothing_else`:
  // there is nothing else to start, and what nobody waits for yet is waited for next.
  Entry* slowest(TimePoint now, const Counters& counters, bool nothing_else);
  bool is_time_to_look(TimePoint now) const { return running_ > 0 && look_at_ <= now; }
  TimePoint look_at() const { return running_ > 0 ? look_at_ : TimePoint::max(); }

  // What fetches of closed objects hold of the budget until their cancel has come through.
  std::uint64_t draining_bytes(const ViewMemory& views) const;

 private:
  template <typename IsOver>
  std::vector<ChunkFetch*> cancel_if(const IsOver& is_over);
  static bool is_before(const Entry& one, const Entry& other);

  std::map<const ChunkFetch*, Entry> entries_;
  std::size_t running_ = 0;  // entries that have not ended
  std::multimap<TimePoint, ChunkFetch*> parked_;
  HedgeRule hedge_rule_;
  TimePoint look_at_{};
};

}  // namespace ossmc
