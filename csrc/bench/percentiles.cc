#include "bench/percentiles.h"

#include <algorithm>
#include <cmath>

namespace ossmc::bench {

void Samples::add(double value) {
  values_.push_back(value);
  sorted_ = false;
}

double Samples::value_at(double fraction) const {
  if (values_.empty()) return 0.0;
  if (!sorted_) std::sort(values_.begin(), values_.end());
  sorted_ = true;
  const auto rank = static_cast<std::size_t>(
      std::ceil(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(values_.size())));
  return values_[std::max<std::size_t>(1, rank) - 1];
}

double median(std::vector<double> values) {
  if (values.empty()) return 0.0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace ossmc::bench
