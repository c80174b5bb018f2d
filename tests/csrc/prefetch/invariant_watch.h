// InvariantWatch: looks at the real scheduler around each question that an I/O thread asks it, and
// after each step of a run, and says what the house's invariants
// (docs/decisions/0002-scheduling.md) do not allow.
//
// It knows only what anybody may see (streams, their chunks, the budget, exchanges) and keeps its
// own books of it; of the policy it knows what the decision says, not how it is reached.
//
// Watched around each question, where threads are not made to give way:
//   memory     a started exchange has the memory of its whole chunk; what the lower classes start
//              leaves the reserve free; nothing is evicted that is claimed or pinned, nor without
//              need, nor unread while something consumed could go, nor unread out of order
//   order      urgent chunks start first come first served, and nothing that needs memory starts
//              past them; first bytes of objects are asked for in the order of open; only urgent
//              work takes more than the usual slots, or starts on a thread that is behind
//   once       a chunk that was fetched is fetched again only after it was evicted; a retry is one
//              that was counted
//   hedges     are at most 2 in 100 requests
// After each question, threads that give way or not: a chunk has one exchange of its own and one
// hedge at most, and that has memory of its own.
// After each step: the memory that chunks, hedges and views hold is within what the budget says,
// and that within its limit. When no I/O thread has a reason to ask: the chunk of a blocked reader
// is in flight or in line; no slot is free while the first in line, or the first of the sweep,
// could start.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "csrc/prefetch/shuffled_transport.h"
#include "fetch/hedge.h"
#include "prefetch/scheduler.h"

namespace ossmc {

class InvariantWatch final : public ShuffledTransport::Observer {
 public:
  struct Options {
    std::uint32_t chunk_bytes = 0;
    const PagePool* pool = nullptr;  // what the budget counts are its blocks
    // Between these is the usual number of slots of an I/O thread.
    int least_slots = 0;
    int most_slots = 0;
    // False where threads give way in the middle of a question: then what happened during it was
    // not all its doing.
    bool around_questions = true;
  };
  // Decision 2: "8 connections of an I/O thread beyond the usual number".
  static constexpr int kUrgentExtraSlots = 8;

  InvariantWatch(Options options, Scheduler& scheduler, std::shared_ptr<Budget> budget,
                 const Counters& counters, std::function<void(const std::string&)> complain,
                 std::function<void(const std::string&)> note);

  // --- by the run ---
  // Somebody is about to open it: there may be fetches of it before opened() tells of the stream.
  void will_open(const std::string& key) { ++being_opened_[key]; }
  void opened(const std::shared_ptr<ObjectStream>& stream, bool is_swept);
  // The last sequential read of it ended with the last byte of that chunk, or elsewhere.
  void read_through(const ObjectStream& stream, std::optional<std::uint64_t> index);
  // A caller has a view of it, or no longer.
  void view_made(std::uint64_t sequence, const std::shared_ptr<ViewRegion>& region);
  void view_dropped(std::uint64_t sequence);
  bool any_view() const;

  void after_step();
  // No I/O thread has a reason to ask. `waiting` are the words on which readers wait; `view_waits`:
  // somebody asks for a view just now.
  void after_turn(const ShuffledTransport& transport, const std::vector<const void*>& waiting,
                  bool view_waits);
  // Nothing can happen any more and readers wait. True: views hold what they need.
  bool is_for_views_to_end();
  // Whom somebody waits for who waits there.
  std::string where(const void* word);
  // All is closed and all exchanges have ended. `may_hold_streams`: the I/O threads were stopped
  // before the scheduler could forget them; of what they held, nothing is left even so.
  void at_end(bool may_hold_streams);

  // The key and the chunk, for people.
  static std::string name_of(const ObjectStream& stream, std::uint64_t index);

  // --- by the transport ---
  void before_ask(int busy, bool behind) override;
  void after_ask(Exchange* got) override;
  void before_end(Exchange& exchange, const ExchangeOutcome& outcome) override;
  void after_end() override;

  // What the runs came across.
  std::uint64_t refetched() const { return refetched_; }
  std::uint64_t evicted_unread() const { return evicted_unread_; }
  std::uint64_t evicted_consumed() const { return evicted_consumed_; }

 private:
  using Work = ChunkSlot::Work;
  // What is known of a chunk.
  struct Seen {
    // As of the last look.
    ChunkPhase phase = ChunkPhase::kAbsent;
    Work work = Work::kNone;
    std::uint32_t pins = 0;
    std::uint32_t claims = 0;
    bool consumed = false;
    bool has_region = false;  // its object has
    // The books.
    std::uint64_t urgent_since = 0;  // its place in line
    bool was_fetched = false;        // completely
    bool retry_counted = false;
  };
  struct Watched {
    std::weak_ptr<ObjectStream> weak;
    bool is_swept = false;
    bool is_swept_again = false;  // from some chunk on: one was given up unread
    bool first_asked = false;
    std::optional<std::uint64_t> read_through;
    std::weak_ptr<ViewRegion> region;  // of the last view
    std::uint64_t region_bytes = 0;
    int views = 0;
    std::vector<Seen> chunks;
  };
  struct Place {
    Watched* watched = nullptr;
    std::shared_ptr<ObjectStream> stream;
    std::uint64_t index = 0;
    ChunkSlot& slot() const { return stream->slot(index); }
    Seen& seen() const { return watched->chunks[index]; }
  };

  // Calls visit(place) for every chunk of every stream that is not closed, in the order of open.
  template <typename Visit>
  void for_each_chunk(Visit visit);
  // Takes down what is to be seen, and since when what is urgent is so.
  void look();
  std::optional<Place> place_of(const Chunk& chunk);
  std::uint64_t bytes_of(const ObjectStream& stream, std::uint64_t index) const;
  bool is_evictable(const Place& place) const;
  std::uint64_t evictable_bytes(bool consumed_only);
  // The most that one of those who came first in line needs; none: nobody is in line.
  std::optional<std::uint64_t> first_in_line_needs();
  void check_start(const Place& place);
  void note_hedge(Hedge& hedge);
  void check_hedges();
  void check_evictions(const std::optional<Place>& started);
  void check_memory();
  void complain(const std::string& what) const { complain_(what); }

  const Options options_;
  const std::uint64_t reserve_bytes_;
  Scheduler& scheduler_;
  const std::shared_ptr<Budget> budget_;
  const Counters& counters_;
  const std::function<void(const std::string&)> complain_;
  const std::function<void(const std::string&)> note_;  // may be empty

  std::map<std::uint64_t, Watched> streams_;  // by sequence
  std::map<std::string, int> being_opened_;   // by key
  std::map<const Chunk*, int> exchanges_;     // of their own, in flight
  struct Hedged {
    std::string key;
    std::uint64_t index = 0;
  };
  std::map<const Hedge*, Hedged> hedges_;  // in flight
  std::uint64_t step_ = 0;
  bool reads_jump_;  // something unread was given up for read-ahead, or may have been, unseen
  std::uint64_t free_before_ = 0;
  int busy_before_ = 0;
  bool behind_before_ = false;

  // Around the end of an exchange.
  std::optional<Place> ending_;
  std::uint64_t retries_before_ = 0;
  bool may_go_uncounted_ = false;

  std::uint64_t refetched_ = 0;
  std::uint64_t evicted_unread_ = 0;
  std::uint64_t evicted_consumed_ = 0;
};

}  // namespace ossmc
