// PrefetchPause: after failures, how long nothing starts that nobody waits for.
//
// A retry waits inside its chunk (fetch/retry.h), but once a chunk has given up, the next one would
// be asked for at once, and the one after that: an outage would be answered by a request for every
// chunk of every open object. So a failure begins a pause, and what then starts alone begins the
// next one, twice as long, unless it succeeds.
#pragma once

#include <utility>

#include "base/clock.h"
#include "fetch/retry.h"

namespace ossmc {

// A pure state machine. Not thread-safe; the scheduler keeps it under its mutex: one for all that
// it fetches, and one for each object.
class PrefetchPause {
 public:
  bool is_on(TimePoint now) const { return now < until_; }
  TimePoint until() const { return until_; }

  // A fetch gave up, though another try may succeed. Those that were under way when the pause
  // began do not count. `chance`: uniform in [0, 1).
  void on_failure(TimePoint now, const RetryOptions& retry, double chance);
  // Something was started. REQUIRES: !is_on(now).
  void on_start(TimePoint now, const RetryOptions& retry);
  // True: it was on, and what it held up may start now.
  bool on_success(TimePoint now) { return std::exchange(*this, {}).is_on(now); }

 private:
  void begin(TimePoint now, const RetryOptions& retry);

  int failures_ = 0;   // in a row, each after a pause
  double chance_ = 0;  // so that the clients of one store do not come back all at once
  TimePoint until_{};
};

}  // namespace ossmc
