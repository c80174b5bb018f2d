// InvariantWatch: looks at the real scheduler, and says what the house's invariants
// (docs/decisions/0002-scheduling.md) do not allow.
//
// It knows only what anybody may see (streams, their chunks, the budget, exchanges) and keeps its
// own books of it (watched_streams.h); of the policy it knows what the decision says, not how it
// is reached.
//
// Watched around each question of an I/O thread: question_watch.h. After each step of a run:
//   memory     what chunks, hedges and views hold is within what the budget says, and that within
//              its limit
//   line       what is urgent is claimed, or the first request of an object that is being opened:
//              whoever gave up a read left nothing behind in line
//   lists      an object is in as many of the scheduler's lists as it should be: among the readers
//              exactly while it says so, in none when it is closed
// When no I/O thread has a reason to ask: the chunk of a blocked reader is in flight or in line; no
// slot is free while the first in line, or the first of the sweep, could start.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "csrc/prefetch/question_watch.h"
#include "csrc/prefetch/shuffled_transport.h"
#include "csrc/prefetch/watched_streams.h"
#include "prefetch/scheduler.h"

namespace ossmc {

// Used by the one real thread of a run.
class InvariantWatch {
 public:
  InvariantWatch(WatchOptions options, Scheduler& scheduler, std::shared_ptr<Budget> budget,
                 const Counters& counters, std::function<void(const std::string&)> complain,
                 std::function<void(const std::string&)> note);
  InvariantWatch(const InvariantWatch&) = delete;
  InvariantWatch& operator=(const InvariantWatch&) = delete;

  // To be told by the run, and by the transport.
  WatchedStreams& streams() { return streams_; }
  const WatchedStreams& streams() const { return streams_; }
  QuestionWatch& questions() { return questions_; }

  void after_step();
  // A call was given up: of it nothing stays in line.
  void after_abandoned();
  // No I/O thread has a reason to ask. `waiting` are the words on which readers wait; `view_waits`:
  // somebody asks for a view just now.
  void after_turn(const ShuffledTransport& transport, const std::vector<const void*>& waiting,
                  bool view_waits);
  // Nothing can happen any more and readers wait. True: views hold what they need.
  bool is_for_views_to_end();
  // No caller is in the middle of anything.
  void after_callers();
  // All is closed and all exchanges have ended. `may_hold_streams`: the I/O threads were stopped
  // before the scheduler could forget them; of what they held, nothing is left even so.
  void at_end(bool may_hold_streams);

 private:
  using Place = WatchedStreams::Place;
  using Watched = WatchedStreams::Watched;
  using Work = WatchedStreams::Work;

  void check_line(ObjectStream& stream);
  void sum_up(const Watched& watched, ObjectStream& stream);
  void check_lists(ObjectStream& stream);
  void check_waiting(const std::vector<const void*>& waiting);
  void check_idle_slot(const Place& place, bool* is_first);
  void complain(const std::string& what) const { complain_(what); }

  const WatchOptions options_;
  Scheduler& scheduler_;
  const std::shared_ptr<Budget> budget_;
  const std::uint64_t full_bytes_;  // its limit before the system refused anything
  const Counters& counters_;
  const std::function<void(const std::string&)> complain_;
  WatchedStreams streams_;
  QuestionWatch questions_;
  std::uint64_t held_ = 0;  // while a step's memory is summed up
};

}  // namespace ossmc
