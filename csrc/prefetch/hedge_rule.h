// HedgeRule: how slow an exchange must be for a second request, and how many of those there may be.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/histogram.h"

namespace ossmc {

// Not thread-safe: the scheduler keeps it under its mutex.
//
// The slowest in a hundred requests to a store take many times what the others take, and a second
// request then nearly always overtakes them (Dean and Barroso, The Tail at Scale, 2013). They are
// known by what their siblings took lately.
class HedgeRule {
 public:
  static constexpr std::uint64_t kRequestsPerHedge = 50;  // 2 %
  static constexpr std::uint64_t kLeastSamples = 50;
  static constexpr Duration kLeast = std::chrono::milliseconds(100);
  static constexpr Duration kWindow = std::chrono::seconds(10);

  // An exchange that has taken longer is slow: twice what 98 of 100 took, at least kLeast. Null
  // (Duration::max()) while too few have been seen. Looks at `whole_us` once a second.
  Duration slow_after(const Histogram& whole_us, TimePoint now);
  static bool may_hedge(std::uint64_t hedges, std::uint64_t requests) {
    return (hedges + 1) * kRequestsPerHedge <= requests;
  }

 private:
  Duration slow_after_ = Duration::max();
  TimePoint computed_at_ = TimePoint::min();
  TimePoint window_began_ = TimePoint::min();
  HistogramCounts before_window_;
};

}  // namespace ossmc
