#include "bench/percentiles.h"

#include <gtest/gtest.h>

namespace ossmc::bench {
namespace {

TEST(Samples, NothingIsZero) {
  EXPECT_EQ(Samples().value_at(0.5), 0.0);
  EXPECT_EQ(Samples().count(), 0U);
}

TEST(Samples, NearestRankInAnyOrderOfArrival) {
  Samples samples;
  for (const double value : {30.0, 10.0, 50.0, 20.0, 40.0}) samples.add(value);
  EXPECT_EQ(samples.value_at(0.0), 10.0);
  EXPECT_EQ(samples.value_at(0.2), 10.0);
  EXPECT_EQ(samples.value_at(0.5), 30.0);
  EXPECT_EQ(samples.value_at(0.99), 50.0);
  EXPECT_EQ(samples.value_at(1.0), 50.0);
  samples.add(5.0);  // after a percentile was asked for
  EXPECT_EQ(samples.value_at(0.0), 5.0);
  EXPECT_EQ(samples.count(), 6U);
}

TEST(Median, OddEvenNone) {
  EXPECT_EQ(median({}), 0.0);
  EXPECT_EQ(median({3.0}), 3.0);
  EXPECT_EQ(median({9.0, 1.0, 5.0}), 5.0);
  EXPECT_EQ(median({9.0, 1.0, 5.0, 6.0}), 5.5);
}

}  // namespace
}  // namespace ossmc::bench
