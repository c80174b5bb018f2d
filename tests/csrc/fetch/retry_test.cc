#include "fetch/retry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>

namespace ossmc {
namespace {

class FixedRandom final : public Random {
 public:
  explicit FixedRandom(double value) : value_(value) {}
  double uniform() override { return value_; }

 private:
  const double value_;
};

TEST(Backoff, IsUniformBelowADoublingCeiling) {
  const RetryOptions options;
  const std::unique_ptr<Random> random = make_seeded_random(42);
  for (int retry = 1; retry <= 40; ++retry) {
    const double ceiling_s = std::min(20.0, 0.2 * std::exp2(std::min(retry - 1, 30)));
    const Duration ceiling = seconds_to_duration(ceiling_s);
    Duration least = Duration::max();
    Duration most{};
    for (int i = 0; i < 200; ++i) {
      const Duration wait = backoff(options, RetryClass::kTransient, retry, std::nullopt, *random);
      ASSERT_GE(wait, Duration::zero());
      ASSERT_LT(wait, ceiling);
      least = std::min(least, wait);
      most = std::max(most, wait);
    }
    EXPECT_LT(least, ceiling / 10) << retry;
    EXPECT_GT(most, ceiling / 10 * 9) << retry;
  }
}

TEST(Backoff, OfThrottledRequestsStartsHigher) {
  const RetryOptions options;
  FixedRandom half(0.5);
  EXPECT_EQ(backoff(options, RetryClass::kTransient, 1, std::nullopt, half),
            std::chrono::milliseconds(100));
  EXPECT_EQ(backoff(options, RetryClass::kThrottled, 1, std::nullopt, half),
            std::chrono::milliseconds(500));
  EXPECT_EQ(backoff(options, RetryClass::kThrottled, 3, std::nullopt, half),
            std::chrono::seconds(2));
  EXPECT_EQ(backoff(options, RetryClass::kThrottled, 1000, std::nullopt, half),
            std::chrono::seconds(10));
  EXPECT_EQ(backoff(options, RetryClass::kTransient, 0, std::nullopt, half),
            std::chrono::milliseconds(100));
  EXPECT_EQ(backoff(options, RetryClass::kTransient, -5, std::nullopt, half),
            std::chrono::milliseconds(100));
}

TEST(Backoff, IsAtLeastWhatTheServerAskedForWithinReason) {
  const RetryOptions options;
  FixedRandom half(0.5);
  const auto wait = [&](int retry, std::uint32_t asked_seconds) {
    return backoff(options, RetryClass::kThrottled, retry, asked_seconds, half);
  };
  EXPECT_EQ(wait(1, 3),
            std::chrono::milliseconds(3500));  // and a bit, so that not all come at once
  EXPECT_EQ(wait(1, 0), std::chrono::milliseconds(500));
  EXPECT_EQ(wait(5, 3), std::chrono::seconds(8));  // its own is longer
  EXPECT_EQ(wait(1, 3600), std::chrono::milliseconds(18'500));
  EXPECT_EQ(wait(1, UINT32_MAX), std::chrono::milliseconds(18'500));
}

TEST(RetryQuota, EmptiesAndRecovers) {
  RetryQuota quota;
  int spent = 0;
  while (quota.try_spend(RetryClass::kTransient)) ++spent;
  EXPECT_EQ(spent, RetryQuota::kCapacity / RetryQuota::kTransientCost);
  EXPECT_EQ(quota.available(), 0);
  for (int i = 1; i < RetryQuota::kTransientCost; ++i) quota.earn();
  EXPECT_FALSE(quota.try_spend(RetryClass::kTransient));
  quota.earn();
  EXPECT_TRUE(quota.try_spend(RetryClass::kTransient));
  EXPECT_EQ(quota.available(), 0);
}

TEST(RetryQuota, ThrottledRetriesAreCheaper) {
  RetryQuota quota;
  int spent = 0;
  while (quota.try_spend(RetryClass::kThrottled)) ++spent;
  EXPECT_EQ(spent, 100);
}

TEST(RetryQuota, NeverHoldsMoreThanItsCapacity) {
  RetryQuota quota;
  for (int i = 0; i < 1000; ++i) quota.earn();
  EXPECT_EQ(quota.available(), RetryQuota::kCapacity);
}

}  // namespace
}  // namespace ossmc
