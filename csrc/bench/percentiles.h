// Percentiles of a few thousand exact values; latencies of chunks, of which there may be millions,
// come from base/histogram.h.
#pragma once

#include <cstddef>
#include <vector>

namespace ossmc::bench {

// One thread.
class Samples {
 public:
  void add(double value);
  std::size_t count() const { return values_.size(); }
  // The smallest value that at least this fraction of all do not exceed (nearest rank); 0 when
  // there is none.
  double value_at(double fraction) const;

 private:
  mutable std::vector<double> values_;  // sorted when a percentile is asked for
  mutable bool sorted_ = true;
};

// The middle value, or the mean of the two in the middle. 0 when there is none.
double median(std::vector<double> values);

}  // namespace ossmc::bench
