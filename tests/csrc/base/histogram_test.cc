#include "base/histogram.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

namespace ossmc {
namespace {

TEST(Histogram, EachBucketBeginsWhereTheOneBeforeEnds) {
  for (std::size_t bucket = 0; bucket < HistogramCounts::kBuckets; ++bucket) {
    const std::uint64_t begin = HistogramCounts::bucket_begin(bucket);
    const std::uint64_t end = HistogramCounts::bucket_begin(bucket + 1);
    ASSERT_LT(begin, end);
    ASSERT_EQ(HistogramCounts::bucket_of(begin), bucket);
    ASSERT_EQ(HistogramCounts::bucket_of(end - 1), bucket);
  }
}

TEST(Histogram, ValuesBeyondTheLastBucketAreCountedThere) {
  EXPECT_EQ(HistogramCounts::bucket_of(UINT64_MAX), HistogramCounts::kBuckets - 1);
  EXPECT_EQ(HistogramCounts::bucket_of(std::uint64_t{1} << 37), HistogramCounts::kBuckets - 1);
}

TEST(Histogram, NothingRecordedIsZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.counts().total(), 0U);
  EXPECT_EQ(histogram.counts().value_at(0.5), 0.0);
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram;
  for (std::uint64_t value = 1; value <= 10; ++value) histogram.record(value);
  const HistogramCounts counts = histogram.counts();
  EXPECT_EQ(counts.total(), 10U);
  EXPECT_EQ(counts.value_at(0.0), 1.0);
  EXPECT_EQ(counts.value_at(0.5), 5.0);
  EXPECT_EQ(counts.value_at(0.51), 6.0);
  EXPECT_EQ(counts.value_at(1.0), 10.0);
}

TEST(Histogram, PercentilesAreWithinTwoPercent) {
  for (const std::uint64_t scale : {1ULL, 1'000ULL, 1'000'000ULL, 100'000'000ULL}) {
    Histogram histogram;
    for (std::uint64_t value = 1; value <= 1000; ++value) histogram.record(value * scale);
    const HistogramCounts counts = histogram.counts();
    for (const double fraction : {0.1, 0.5, 0.9, 0.99, 1.0}) {
      const double exact = fraction * 1000 * static_cast<double>(scale);
      EXPECT_NEAR(counts.value_at(fraction), exact, 0.02 * exact) << fraction << " of " << scale;
    }
  }
}

TEST(Histogram, SinceTakesOffWhatWasThereBefore) {
  Histogram histogram;
  histogram.record(7);
  const HistogramCounts before = histogram.counts();
  histogram.record(20);
  histogram.record(20);
  const HistogramCounts after = histogram.counts().since(before);
  EXPECT_EQ(after.total(), 2U);
  EXPECT_EQ(after.value_at(0.0), 20.0);
}

TEST(Histogram, NothingIsLostBetweenThreads) {
  Histogram histogram;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&histogram] {
      for (std::uint64_t i = 0; i < 10'000; ++i) histogram.record(i % 100);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(histogram.counts().total(), 40'000U);
}

}  // namespace
}  // namespace ossmc
