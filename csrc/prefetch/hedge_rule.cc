#include "prefetch/hedge_rule.h"

#include <algorithm>

namespace ossmc {

namespace {
constexpr Duration kRecompute = std::chrono::seconds(1);
}  // namespace

Duration HedgeRule::slow_after(const Histogram& whole_us, TimePoint now) {
  const bool is_first = computed_at_ == TimePoint::min();
  if (!is_first && now - computed_at_ < kRecompute) return slow_after_;
  computed_at_ = now;
  const HistogramCounts all = whole_us.counts();
  const HistogramCounts lately = all.since(before_window_);
  const HistogramCounts& siblings = lately.total() >= kLeastSamples ? lately : all;
  if (siblings.total() >= kLeastSamples) {
    const auto usual =
        std::chrono::microseconds(static_cast<std::int64_t>(siblings.value_at(0.98)));
    slow_after_ = std::max<Duration>(kLeast, 2 * usual);
  }
  if (is_first || now - window_began_ >= kWindow) {
    window_began_ = now;
    before_window_ = all;
  }
  return slow_after_;
}

}  // namespace ossmc
