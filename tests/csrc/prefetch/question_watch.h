// QuestionWatch: looks at the real scheduler around each question that an I/O thread asks it, and
// around each end of an exchange, and says what the house's invariants
// (docs/decisions/0002-scheduling.md) do not allow.
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
//   pieces     take no memory and no more slots than urgent work; of whole chunks, only where
//              nothing of the chunk is there
//   hedges     are at most 2 in 100 requests
// After each question, threads that give way or not: a chunk has one exchange of its own and one
// hedge at most, and that has memory of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/counters.h"
#include "csrc/prefetch/shuffled_transport.h"
#include "csrc/prefetch/watched_streams.h"
#include "fetch/hedge.h"
#include "memory/budget.h"

namespace ossmc {

// Used by the one real thread of a run.
class QuestionWatch final : public ShuffledTransport::Observer {
 public:
  // Decision 2: "8 connections of an I/O thread beyond the usual number".
  static constexpr int kUrgentExtraSlots = 8;

  QuestionWatch(const WatchOptions& options, WatchedStreams& streams,
                std::shared_ptr<Budget> budget, const Counters& counters,
                std::function<void(const std::string&)> complain,
                std::function<void(const std::string&)> note);

  // --- by the transport ---
  void before_ask(int busy, bool behind) override;
  void after_ask(Exchange* got) override;
  void before_end(Exchange& exchange, const ExchangeOutcome& outcome) override;
  void after_end() override;

  // --- after each step ---
  void check_hedges();

  std::uint64_t reserve_bytes() const;
  std::uint64_t hedge_bytes() const;  // of those in flight
  std::size_t hedges() const { return hedges_.size(); }
  // Something unread was given up for read-ahead, or may have been, unseen.
  bool reads_jump() const { return reads_jump_; }

  struct Found {
    std::uint64_t pieces = 0;
    std::uint64_t whole_pieces = 0;
    std::uint64_t refetched = 0;
    std::uint64_t evicted_unread = 0;
    std::uint64_t evicted_consumed = 0;
  };
  const Found& found() const { return found_; }

 private:
  using Place = WatchedStreams::Place;
  using Seen = WatchedStreams::Seen;
  using Work = WatchedStreams::Work;

  std::optional<Place> note_start(ChunkFetch& fetch);
  void note_piece(ChunkFetch& fetch);
  void note_hedge(Hedge& hedge);
  void check_start(const Place& place);
  void check_order(const Place& place);
  void check_evictions(const std::optional<Place>& started);
  void check_unread_evictions(std::pair<std::uint64_t, std::uint64_t> first, bool is_lower,
                              const std::optional<Place>& started);
  bool memory_was_refused() const;
  void complain(const std::string& what) const { complain_(what); }

  const WatchOptions& options_;
  WatchedStreams& streams_;
  const std::shared_ptr<Budget> budget_;
  const std::uint64_t full_bytes_;  // its limit before the system refused anything
  const Counters& counters_;
  const std::function<void(const std::string&)> complain_;
  const std::function<void(const std::string&)> note_;  // may be empty

  std::map<const ByteSink*, int> exchanges_;  // of their own, in flight
  struct Hedged {
    std::string key;
    std::uint64_t index = 0;
  };
  std::map<const Hedge*, Hedged> hedges_;  // in flight
  // Of how many pieces of a chunk there were requests. Each may have a hedge, which may outlive it.
  std::map<std::pair<std::string, std::uint64_t>, int> pieces_;
  bool reads_jump_;

  // Around a question.
  std::uint64_t free_before_ = 0;
  std::uint64_t refusals_before_ = 0;
  int busy_before_ = 0;
  bool behind_before_ = false;
  // Around the end of an exchange.
  std::optional<Place> ending_;
  std::uint64_t retries_before_ = 0;
  bool may_go_uncounted_ = false;

  Found found_;
};

}  // namespace ossmc
