#include "prefetch/concurrency.h"

#include <algorithm>
#include <chrono>

namespace ossmc {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// So long after a change the rate is not yet that of the new level: connections are being made.
constexpr Duration kSettling = milliseconds(100);
// So much full time makes a rate. An 8 MiB chunk at 50 MB/s takes 170 ms, so that the pauses
// between chunks average out.
constexpr Duration kMeasured = milliseconds(300);
// A trial that has not had so much full time by then stays: the slots are not the limit any more.
constexpr Duration kLongestTrial = seconds(1);
// A doubling pays if it brings this much; noise between runs is 5 to 10 %.
constexpr double kGainOfDoubling = 0.15;

constexpr Duration kFirstWait = seconds(2);
constexpr Duration kLongestWait = seconds(64);

constexpr Duration kBetweenThrottles = milliseconds(500);
constexpr Duration kAfterThrottle = seconds(5);
constexpr int kCreepDivisor = 8;

}  // namespace

void ConcurrencyLevel::add(const Sample& sample) {
  const bool is_first = last_time_ == TimePoint{};
  const TimePoint from = last_time_;
  const std::uint64_t bytes = sample.bytes_received - last_bytes_;
  const bool throttled = sample.throttles != last_throttles_;
  last_time_ = sample.now;
  last_bytes_ = sample.bytes_received;
  last_throttles_ = sample.throttles;
  if (is_first) settled_at_ = sample.now + kSettling;
  if (is_first || is_fixed()) return;
  if (throttled) on_throttle(sample.now);
  if (is_trial() && sample.now - settled_at_ > kLongestTrial) before_trial_ = level_;
  if (!sample.full || from < settled_at_) return;
  full_time_ += sample.now - from;
  full_bytes_ += bytes;
  if (full_time_ < kMeasured) return;
  const double rate =
      static_cast<double>(full_bytes_) / std::chrono::duration<double>(full_time_).count();
  full_time_ = {};
  full_bytes_ = 0;
  if (is_trial()) judge(sample.now, rate);
  const bool may_try = sample.now >= next_trial_ && sample.now >= throttled_until_;
  if (!may_try || sample.cpu_bound || level_ >= options_.most) return;
  rate_before_trial_ = rate;
  const int step = creeping_ ? std::max(1, level_ / kCreepDivisor) : level_;
  before_trial_ = level_;
  set_level(std::min(level_ + step, options_.most), sample.now);
}

void ConcurrencyLevel::judge(TimePoint now, double bytes_per_second) {
  const double step = static_cast<double>(level_ - before_trial_) / before_trial_;
  if (bytes_per_second >= rate_before_trial_ * (1 + kGainOfDoubling * step)) {
    before_trial_ = level_;
    wait_ = {};
    return;
  }
  set_level(before_trial_, now);
  wait_ = std::clamp(2 * wait_, kFirstWait, kLongestWait);
  next_trial_ = now + wait_;
}

void ConcurrencyLevel::on_throttle(TimePoint now) {
  throttled_until_ = now + kAfterThrottle;
  if (now < may_lower_at_) return;
  may_lower_at_ = now + kBetweenThrottles;
  creeping_ = true;
  set_level(std::max(std::min(before_trial_, level_) / 2, options_.least), now);
  before_trial_ = level_;
}

void ConcurrencyLevel::set_level(int level, TimePoint now) {
  level_ = level;
  settled_at_ = now + kSettling;
  full_time_ = {};
  full_bytes_ = 0;
}

}  // namespace ossmc
