#include "prefetch/thread_loads.h"

#include <chrono>

namespace ossmc {

namespace {

constexpr std::uint32_t kFullPercent = 90;

}  // namespace

void ThreadLoads::measure(int thread, TimePoint now) {
  Thread& own = threads_[static_cast<std::size_t>(thread)];
  if (load_ == nullptr || now - own.measured_at < kPeriod) return;
  const Duration busy = load_->busy_time();
  if (own.measured_at != TimePoint{}) {
    const auto percent = (busy - own.busy_time) * 100 / (now - own.measured_at);
    own.percent.store(static_cast<std::uint32_t>(percent), std::memory_order_relaxed);
  }
  own.measured_at = now;
  own.busy_time = busy;
}

bool ThreadLoads::is_full(int thread) const {
  const Thread& one = threads_[static_cast<std::size_t>(thread)];
  return one.percent.load(std::memory_order_relaxed) >= kFullPercent;
}

bool ThreadLoads::are_full() const {
  std::size_t sum = 0;
  for (const Thread& thread : threads_) sum += thread.percent.load(std::memory_order_relaxed);
  return sum >= kFullPercent * threads_.size();
}

}  // namespace ossmc
