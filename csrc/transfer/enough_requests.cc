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
  own_bytes_ += static_cast<double>(bytes - oldest_bytes_);
  all_bytes_ += static_cast<double>(received - received_);
  seconds_ += std::chrono::duration<double>(now - since_).count();
  const auto whole = static_cast<double>(bytes);
  if (own_bytes_ == 0 || own_bytes_ < whole / 2 || seconds_ == 0) return;
  learn(connections_, all_bytes_ / own_bytes_);
  learn(bytes_per_second_, all_bytes_ / seconds_);
  learn(exchange_bytes_, whole);
  own_bytes_ = all_bytes_ = seconds_ = 0;
  const double waiting = bytes_per_second_ / exchange_bytes_ *
                         std::chrono::duration<double>(least_first_byte()).count();
  count_ = static_cast<int>(std::min(1 + std::ceil(kMargin * connections_ + waiting), 1e6));
}

Duration EnoughRequests::least_first_byte() const {
  const auto known = std::span(first_bytes_).first(std::min(first_byte_count_, kFirstBytes));
  return *std::min_element(known.begin(), known.end());
}

}  // namespace ossmc
