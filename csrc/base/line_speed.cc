#include "base/line_speed.h"

#include <algorithm>
#include <chrono>

namespace ossmc {

namespace {

constexpr std::int64_t kMiB = 1 << 20;
// Before anything is measured: a data centre's network, and what OSS gives one connection there.
constexpr std::int64_t kUsualRoundTripNs = 10'000'000;
constexpr std::int64_t kUsualNsPerMiB = 20'000'000;
// Of fewer bytes the speed says little: they come in one burst.
constexpr std::uint64_t kLeastMeasuredBytes = 256u << 10;
// What a request costs both ends beside the time on the line.
constexpr std::int64_t kLeastBytes = 16 << 10;
constexpr std::int64_t kMostBytes = 4 << 20;

std::int64_t nanoseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

// Two threads at once may lose one of their figures.
void average_in(std::atomic<std::int64_t>& average, std::int64_t value) {
  const std::int64_t before = average.load(std::memory_order_relaxed);
  const std::int64_t after = before == 0 ? value : before + (value - before) / 4;
  average.store(std::max<std::int64_t>(after, 1), std::memory_order_relaxed);
}

std::int64_t value_or(const std::atomic<std::int64_t>& average, std::int64_t usual) {
  const std::int64_t value = average.load(std::memory_order_relaxed);
  return value == 0 ? usual : value;
}

}  // namespace

void LineSpeed::note(Duration first_byte, Duration whole, std::uint64_t bytes) {
  average_in(round_trip_ns_, nanoseconds(first_byte));
  if (bytes < kLeastMeasuredBytes || whole <= first_byte) return;
  const double ns = static_cast<double>(nanoseconds(whole - first_byte));
  average_in(ns_per_mib_, static_cast<std::int64_t>(ns * static_cast<double>(kMiB) /
                                                    static_cast<double>(bytes)));
}

std::uint64_t LineSpeed::bytes_per_round_trip() const {
  const double round_trips_per_mib =
      static_cast<double>(value_or(round_trip_ns_, kUsualRoundTripNs)) /
      static_cast<double>(value_or(ns_per_mib_, kUsualNsPerMiB));
  const double bytes = round_trips_per_mib * static_cast<double>(kMiB);
  return static_cast<std::uint64_t>(
      std::clamp(bytes, static_cast<double>(kLeastBytes), static_cast<double>(kMostBytes)));
}

}  // namespace ossmc
