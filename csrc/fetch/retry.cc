#include "fetch/retry.h"

#include <algorithm>

namespace ossmc {

Duration backoff(const RetryOptions& options, RetryClass retry_class, int retry,
                 std::optional<std::uint32_t> retry_after_seconds, Random& random) {
  const Duration base =
      retry_class == RetryClass::kThrottled ? options.throttled_base : options.base;
  const int doublings = std::clamp(retry - 1, 0, 30);
  const double ceiling =
      std::min(static_cast<double>(options.cap.count()),
               static_cast<double>(base.count()) * static_cast<double>(1LL << doublings));
  const double jitter = random.uniform();
  const Duration wait(static_cast<Duration::rep>(ceiling * jitter));
  if (!retry_after_seconds) return wait;
  // Requests that were all told the same do not come back all at once.
  const Duration spread(static_cast<Duration::rep>(static_cast<double>(base.count()) * jitter));
  const Duration asked =
      std::min<Duration>(std::chrono::seconds(*retry_after_seconds), options.longest_asked_wait);
  return std::max(wait, asked + spread);
}

bool RetryQuota::try_spend(RetryClass retry_class) {
  const int cost = retry_class == RetryClass::kThrottled ? kThrottledCost : kTransientCost;
  int tokens = tokens_.load(std::memory_order_relaxed);
  while (tokens >= cost) {
    if (tokens_.compare_exchange_weak(tokens, tokens - cost, std::memory_order_relaxed))
      return true;
  }
  return false;
}

void RetryQuota::earn() {
  int tokens = tokens_.load(std::memory_order_relaxed);
  while (tokens < kCapacity) {
    if (tokens_.compare_exchange_weak(tokens, tokens + 1, std::memory_order_relaxed)) return;
  }
}

}  // namespace ossmc
