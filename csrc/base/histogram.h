// Histogram: how many values of each size came, for percentiles of latencies.
//
// Buckets are log-linear: exact below 32, then 32 to each doubling, so that the middle of a bucket
// is within 1.6 % of every value in it. One array of 8 KiB, of which a run of similar values
// touches a line or two; no lock, no allocation.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ossmc {

// What a histogram held at one time. A plain value.
class HistogramCounts {
 public:
  static constexpr int kBucketBits = 5;
  static constexpr int kDoublings = 32;
  static constexpr std::size_t kBuckets = static_cast<std::size_t>(kDoublings + 1) << kBucketBits;

  // Values of 2^37 and more (38 hours, in microseconds) share the last bucket.
  static std::size_t bucket_of(std::uint64_t value);
  // The values of a bucket are [bucket_begin(bucket), bucket_begin(bucket + 1)).
  static std::uint64_t bucket_begin(std::size_t bucket);

  std::uint64_t total() const;
  // The smallest value that at least this fraction of all values do not exceed, as precise as its
  // bucket is; 0.0 gives the least, 1.0 the greatest. 0 when there is none.
  double value_at(double fraction) const;
  // What came after `earlier`, which the same histogram held before.
  HistogramCounts since(const HistogramCounts& earlier) const;

 private:
  friend class Histogram;
  std::array<std::uint64_t, kBuckets> counts_{};
};

// Thread-safe. Relaxed atomics: no value is lost, and counts() is a near-snapshot.
class Histogram {
 public:
  void record(std::uint64_t value) {
    counts_[HistogramCounts::bucket_of(value)].fetch_add(1, std::memory_order_relaxed);
  }
  HistogramCounts counts() const;

 private:
  std::array<std::atomic<std::uint64_t>, HistogramCounts::kBuckets> counts_{};
};

}  // namespace ossmc
