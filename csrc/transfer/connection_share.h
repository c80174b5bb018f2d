// ConnectionShare: how many exchanges an I/O thread may have in progress once the system has
// refused it a descriptor.
//
// Before: any number. A refusal lowers it to what the thread had besides; from there it rises one
// by one. A thread that had nothing besides asks the others of the process to give way, and tries
// again in its turn. Only when it was alone then, and was refused all the same, is that an error.
#pragma once

#include <chrono>
#include <climits>
#include <cstdint>
#include <utility>

#include "base/clock.h"
#include "transfer/exchange.h"
#include "transfer/shared_descriptors.h"

namespace ossmc {

// Owned and used by one I/O thread. It is told of each exchange from its begin to its end.
class ConnectionShare {
 public:
  static constexpr Duration kShortestWait = std::chrono::milliseconds(100);
  // Between two tries for one more that have failed.
  static constexpr Duration kLongestWait = std::chrono::milliseconds(1600);
  // For its turn among those who have nothing.
  static constexpr Duration kTurnWait = std::chrono::milliseconds(20);
  // So long after the last refusal any number may be tried again.
  static constexpr Duration kForgetting = std::chrono::seconds(10);

  // `shared` outlives it.
  explicit ConnectionShare(SharedDescriptors& shared) : shared_(shared) {}

  // Whether another one may begin beside `busy` ones. True: on_begin() or on_nothing() follows.
  // False: it may be so at due(), or when one of the thread's has ended.
  bool may_begin(int busy, TimePoint now);
  TimePoint due() const { return due_; }
  void on_nothing();  // there is nothing to begin
  void on_begin();
  // One of them has its connection.
  void on_connected(TimePoint now);
  // One has ended; `busy` others are in progress. What the outcome says of a shortage becomes
  // whether it may pass.
  void on_end(ExchangeOutcome* outcome, int busy, TimePoint now);

  // The exchange in progress is the only one of the process, as nothing else is in its hands.
  bool is_alone() const { return has_turn_ && shared_.was_alone(begun_); }
  bool has_turn() const { return has_turn_; }
  // Others are to be asked to give way: since the last call the thread was refused its only one.
  bool take_needs_others() { return std::exchange(needs_others_, false); }
  // Another thread has none: one less, if that leaves one.
  void give_up_one(int busy, TimePoint now);

  // So many connections are worth keeping; INT_MAX: there is no limit.
  int limit() const { return has_none_ ? 1 : limit_; }

 private:
  void lower(int limit, Duration wait, TimePoint now);
  void end_turn();

  SharedDescriptors& shared_;
  int limit_ = INT_MAX;
  int refused_at_ = 0;     // so many others were in progress at the last refusal
  bool has_none_ = false;  // it had nothing besides when it was refused, and got nothing since
  Duration wait_{};        // between two rises
  TimePoint due_ = TimePoint::max();
  TimePoint forget_at_ = TimePoint::max();
  bool has_turn_ = false;
  bool needs_others_ = false;
  std::uint64_t begun_ = 0;  // for was_alone(), of the last that began
};

}  // namespace ossmc
