#include "base/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace ossmc {

namespace {
constexpr std::uint64_t kPerDoubling = std::uint64_t{1} << HistogramCounts::kBucketBits;
}  // namespace

std::size_t HistogramCounts::bucket_of(std::uint64_t value) {
  if (value < kPerDoubling) return static_cast<std::size_t>(value);
  // Shifted so, the value lies in [kPerDoubling, 2 * kPerDoubling).
  const int shift = static_cast<int>(std::bit_width(value)) - 1 - kBucketBits;
  if (shift >= kDoublings) return kBuckets - 1;
  return static_cast<std::size_t>((static_cast<std::uint64_t>(shift) << kBucketBits) +
                                  (value >> shift));
}

std::uint64_t HistogramCounts::bucket_begin(std::size_t bucket) {
  if (bucket < 2 * kPerDoubling) return bucket;
  const std::uint64_t shift = (bucket >> kBucketBits) - 1;
  return (kPerDoubling + bucket % kPerDoubling) << shift;
}

std::uint64_t HistogramCounts::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

double HistogramCounts::value_at(double fraction) const {
  const std::uint64_t all = total();
  if (all == 0) return 0.0;
  const auto wanted = static_cast<std::uint64_t>(
      std::ceil(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(all)));
  const std::uint64_t rank = std::max<std::uint64_t>(1, wanted);
  std::size_t bucket = 0;
  for (std::uint64_t seen = counts_[0]; seen < rank; seen += counts_[bucket]) ++bucket;
  const std::uint64_t begin = bucket_begin(bucket);
  const std::uint64_t width = bucket_begin(bucket + 1) - begin;
  return static_cast<double>(begin) + (width == 1 ? 0.0 : static_cast<double>(width) / 2);
}

HistogramCounts HistogramCounts::since(const HistogramCounts& earlier) const {
  HistogramCounts result;
  for (std::size_t i = 0; i < kBuckets; ++i) result.counts_[i] = counts_[i] - earlier.counts_[i];
  return result;
}

HistogramCounts Histogram::counts() const {
  HistogramCounts result;
  for (std::size_t i = 0; i < HistogramCounts::kBuckets; ++i)
    result.counts_[i] = counts_[i].load(std::memory_order_relaxed);
  return result;
}

}  // namespace ossmc
