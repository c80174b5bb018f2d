// FakeClock: time that stands still until the test moves it.
#pragma once

#include <atomic>
#include <functional>

#include "base/clock.h"

namespace ossmc {

// Thread-safe. Starts at a time that is not zero, so that a forgotten "not set yet" shows.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(double unix_seconds = 1'700'000'000.0) : unix_base_(unix_seconds) {}

  TimePoint now() const override { return TimePoint(Duration(now_ns_.load())); }
  double unix_seconds() const override {
    if (on_unix_seconds) on_unix_seconds();
    return unix_base_.load() + static_cast<double>(now_ns_.load() - kStartNs) * 1e-9;
  }

  // Called at each unix_seconds(): something happens meanwhile. For tests of one thread.
  std::function<void()> on_unix_seconds;

  // Both clocks go on by `step`.
  void advance(Duration step) { now_ns_.fetch_add(step.count()); }
  // Somebody sets the machine's clock: the monotonic one does not notice.
  void set_unix_seconds(double seconds) {
    unix_base_.store(seconds - static_cast<double>(now_ns_.load() - kStartNs) * 1e-9);
  }

 private:
  static constexpr std::int64_t kStartNs = 1'000'000'000'000;
  std::atomic<std::int64_t> now_ns_{kStartNs};
  std::atomic<double> unix_base_;
};

}  // namespace ossmc
