#include "base/clock.h"

namespace ossmc {

namespace {

class SystemClock final : public Clock {
 public:
  TimePoint now() const override {
    return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
  }
  double unix_seconds() const override {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
};

}  // namespace

const Clock& system_clock() {
  // Never destroyed: threads may still ask for the time while the program ends.
  static const Clock& clock = *new SystemClock;
  return clock;
}

}  // namespace ossmc
