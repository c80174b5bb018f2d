#include "prefetch/working_set.h"

#include <algorithm>

namespace ossmc {

namespace {

// Of what is in flight.
constexpr std::uint64_t kReadyDivisor = 4;

// So much time makes a judgement: bursts of readers are shorter.
constexpr Duration kJudged = std::chrono::milliseconds(300);
// Between two questions of I/O threads that have something to do there is less.
constexpr Duration kLongestStep = std::chrono::milliseconds(50);
// Of the time judged; less is what happens between two chunks.
constexpr int kShareDivisor = 10;
constexpr std::uint64_t kGrowthPercent = 150;
// Keeps the product within 64 bits; every budget is far below it.
constexpr std::uint64_t kMostPercent = 1'000'000;

}  // namespace

void WorkingSet::add(const Sample& sample) {
  const Duration step = std::min<Duration>(sample.now - last_sample_, kLongestStep);
  last_sample_ = sample.now;
  in_flight_bytes_ = sample.in_flight_bytes;
  total_ += step;
  if (is_short_ && !sample.cpu_bound) short_ += step;
  if (reader_waits_) waited_ += step;
  reader_waits_ = sample.reader_waits;
  if (total_ < kJudged) return;
  grow_if_it_was_short();
  total_ = short_ = waited_ = {};
}

void WorkingSet::grow_if_it_was_short() {
  if (short_ < total_ / kShareDivisor || waited_ < total_ / kShareDivisor) return;
  growth_percent_ = std::min(growth_percent_ * kGrowthPercent / 100, kMostPercent);
}

std::uint64_t WorkingSet::ready_bytes() const {
  return std::max(least_ready_bytes_, in_flight_bytes_ / kReadyDivisor) * growth_percent_ / 100;
}

TimePoint WorkingSet::next_due(TimePoint now) const {
  return is_short_ ? now + kLongestStep : TimePoint::max();
}

}  // namespace ossmc
