#include "transfer/enough_requests.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace ossmc {

namespace {

constexpr double kWeight = 0.25;  // of what is new
constexpr double kMargin = 2;

void learn(double& mean, double value) {
  mean = mean == 0 ? value : (1 - kWeight) * mean + kWeight * value;
}

}  // namespace

void EnoughRequests::on_oldest(std::uint64_t sequence, std::uint64_t bytes, std::uint64_t received,
                               TimePoint now) {
  if (sequence == oldest_) return;
  oldest_ = sequence;
  oldest_bytes_ = bytes;
  received_ = received;
  since_ = now;
}

void EnoughRequests::on_whole(std::uint64_t sequence, std::uint64_t bytes, Duration first_byte,
                              std::uint64_t received, TimePoint now) {
  first_bytes_[first_byte_count_++ % kFirstBytes] = first_byte;
  if (sequence != oldest_) return;
  const std::uint64_t own = bytes - oldest_bytes_;
  // One that was nearly done when it came to be the oldest says little.
  if (own < bytes / 2 || own == 0 || now <= since_) return;
  const auto all = static_cast<double>(received - received_);
  learn(connections_, all / static_cast<double>(own));
  learn(bytes_per_second_, all / std::chrono::duration<double>(now - since_).count());
  learn(exchange_bytes_, static_cast<double>(bytes));
  const double waiting = bytes_per_second_ / exchange_bytes_ *
                         std::chrono::duration<double>(least_first_byte()).count();
  count_ = static_cast<int>(std::min(1 + std::ceil(kMargin * connections_ + waiting), 1e6));
}

Duration EnoughRequests::least_first_byte() const {
  const auto known = std::span(first_bytes_).first(std::min(first_byte_count_, kFirstBytes));
  return *std::min_element(known.begin(), known.end());
}

}  // namespace ossmc
