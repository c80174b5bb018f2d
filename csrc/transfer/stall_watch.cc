#include "transfer/stall_watch.h"

#include <algorithm>
#include <cassert>

namespace ossmc {

void Progress::restart(TimePoint now, std::uint64_t bytes) {
  count_ = 0;
  sample(now, bytes);
}

void Progress::sample(TimePoint now, std::uint64_t bytes) {
  ring_[count_ % ring_.size()] = {now, bytes};
  ++count_;
}

const Progress::Sample& Progress::oldest() const {
  return ring_[count_ > ring_.size() ? count_ % ring_.size() : 0];
}

Duration Progress::window() const {
  if (count_ == 0) return Duration::zero();
  return ring_[(count_ - 1) % ring_.size()].time - oldest().time;
}

double Progress::rate() const {
  const double seconds = std::chrono::duration<double>(window()).count();
  if (seconds <= 0) return 0;
  return static_cast<double>(ring_[(count_ - 1) % ring_.size()].bytes - oldest().bytes) / seconds;
}

StallWatch::StallWatch(Duration timeout) : timeout_(timeout) { assert(timeout > Duration::zero()); }

void StallWatch::find(std::span<const Progress* const> all,
                      std::vector<std::size_t>& stalled) const {
  stalled.clear();
  double sum = 0;
  std::size_t rated = 0;  // those old enough to have a rate
  for (const Progress* one : all) {
    if (one->window() <= Duration::zero()) continue;
    sum += one->rate();
    ++rated;
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i]->window() < timeout_) continue;
    const double rate = all[i]->rate();
    double limit = kSlowRate;
    if (rated > 1) {
      const double others = (sum - rate) / static_cast<double>(rated - 1);
      limit = std::clamp(others / 2, kDeadRate, kSlowRate);
    }
    if (rate < limit) stalled.push_back(i);
  }
}

}  // namespace ossmc
