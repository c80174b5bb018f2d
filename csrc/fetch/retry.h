// Retry rules: how long to back off, and how many retries the whole connector may still spend.
//
// Whether an error may be retried at all is a pure fact of the error (protocol/error_reply.h);
// whether this request may still try is the AttemptLedger's; this room holds the numbers and the
// shared quota.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/random.h"
#include "protocol/error_reply.h"

namespace ossmc {

struct RetryOptions {
  int max_attempts = 6;  // exchanges for one chunk or small request, the first included
  // Full jitter: a wait is uniform in [0, min(cap, base x 2^n)), as the AWS SDKs' standard mode and
  // OSS SDK v2 do.
  Duration base = std::chrono::milliseconds(200);
  Duration throttled_base = std::chrono::seconds(1);
  Duration cap = std::chrono::seconds(20);
  // What a server asks for in Retry-After counts up to here: a read must not spend its deadline
  // on it.
  Duration longest_asked_wait = std::chrono::seconds(18);
};

// The wait before retry number `retry` (1 is the first), not less than what the server asked for.
Duration backoff(const RetryOptions& options, RetryClass retry_class, int retry,
                 std::optional<std::uint32_t> retry_after_seconds, Random& random);

// A token bucket shared by all requests of a connector, so that an outage is not answered by a
// storm of retries: a retry costs tokens, a success earns one back. Sizes as in aws-c-io's standard
// retry strategy. Thread-safe.
class RetryQuota {
 public:
  static constexpr int kCapacity = 500;
  static constexpr int kTransientCost = 10;
  static constexpr int kThrottledCost = 5;

  // False: spent; fail instead.
  bool try_spend(RetryClass retry_class);
  void earn();
  int available() const { return tokens_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int> tokens_{kCapacity};
};

}  // namespace ossmc
