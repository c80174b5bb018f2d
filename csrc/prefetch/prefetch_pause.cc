#include "prefetch/prefetch_pause.h"

#include <algorithm>

namespace ossmc {

void PrefetchPause::on_failure(TimePoint now, const RetryOptions& retry, double chance) {
  if (is_on(now)) return;
  chance_ = chance;
  begin(now, retry);
}

void PrefetchPause::on_start(TimePoint now, const RetryOptions& retry) {
  if (failures_ > 0) begin(now, retry);
}

void PrefetchPause::begin(TimePoint now, const RetryOptions& retry) {
  const int doublings = std::min(failures_++, 30);
  const double longest =
      std::min(static_cast<double>(retry.cap.count()),
               static_cast<double>(retry.base.count()) * static_cast<double>(1LL << doublings));
  // Not less than half of it: a pause of nothing would be none.
  until_ = now + Duration(static_cast<Duration::rep>(longest * (1 + chance_) / 2));
}

}  // namespace ossmc
