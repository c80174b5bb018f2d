#include "transfer/connection_share.h"

#include <algorithm>

namespace ossmc {

bool ConnectionShare::may_begin(int busy, TimePoint now) {
  if (now >= forget_at_) {
    end_turn();
    limit_ = INT_MAX;
    has_none_ = false;
    wait_ = {};
    due_ = forget_at_ = TimePoint::max();
  }
  if (has_none_) {
    // What is in progress has not got its connection yet.
    if (busy > 0 || now < due_) return false;
    if (!has_turn_) has_turn_ = shared_.try_take_turn();
    if (!has_turn_) due_ = now + kTurnWait;
    return has_turn_;
  }
  if (now >= due_) {
    ++limit_;
    if (limit_ > refused_at_ + 1) wait_ = kShortestWait;  // the last one was to be had
    due_ = now + wait_;
  }
  return busy < limit_;
}

void ConnectionShare::on_nothing() { end_turn(); }

void ConnectionShare::on_begin() { begun_ = shared_.begin_exchange(); }

void ConnectionShare::on_connected(TimePoint now) {
  end_turn();
  if (std::exchange(has_none_, false)) lower(1, kShortestWait, now);
}

void ConnectionShare::on_end(ExchangeOutcome* outcome, int busy, TimePoint now) {
  const bool refused = is_shortage(outcome->error);
  const bool alone = refused && is_alone();
  shared_.end_exchange();
  if (!refused) {
    // Whatever it was that went wrong, a descriptor was to be had.
    if (has_none_) on_connected(now);
    return;
  }
  outcome->may_pass = !alone;
  refused_at_ = busy;
  if (busy > 0) {
    lower(busy, std::clamp<Duration>(2 * wait_, kShortestWait, kLongestWait), now);
    return;
  }
  end_turn();
  has_none_ = true;
  needs_others_ = !alone;
  // Who is told that there is none may have given some back when the next one comes.
  lower(1, alone ? Duration::zero() : kShortestWait, now);
}

void ConnectionShare::give_up_one(int busy, TimePoint now) {
  if (has_none_ || busy < 2) return;
  refused_at_ = std::max(std::min(limit_, busy) - 1, 1);
  lower(refused_at_, kShortestWait, now);
}

void ConnectionShare::lower(int limit, Duration wait, TimePoint now) {
  limit_ = limit;
  wait_ = wait;
  due_ = now + wait;
  forget_at_ = now + kForgetting;
}

void ConnectionShare::end_turn() {
  if (std::exchange(has_turn_, false)) shared_.end_turn();
}

}  // namespace ossmc
