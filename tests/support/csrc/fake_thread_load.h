// FakeThreadLoad: threads that are busy for a share of the time of a clock.
#pragma once

#include <chrono>

#include "base/thread_load.h"

namespace ossmc {

class FakeThreadLoad final : public ThreadLoad {
 public:
  // `clock` outlives it.
  FakeThreadLoad(const Clock& clock, double share) : clock_(clock), share_(share) {}
  Duration busy_time() const override {
    return std::chrono::duration_cast<Duration>(clock_.now().time_since_epoch() * share_);
  }

 private:
  const Clock& clock_;
  const double share_;
};

}  // namespace ossmc
