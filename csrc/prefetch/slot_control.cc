#include "prefetch/slot_control.h"

#include <algorithm>
#include <chrono>

namespace ossmc {

namespace {

// Often enough that a trial of 300 ms has several samples.
constexpr Duration kSamplePeriod = std::chrono::milliseconds(50);
constexpr Duration kLoadPeriod = std::chrono::milliseconds(200);
constexpr std::uint32_t kCpuBoundPercent = 90;

ConcurrencyOptions level_options(const SlotOptions& options) {
  return {.start = options.threads * options.start_per_thread,
          .least = options.threads,
          .most = options.threads * options.most_per_thread};
}

}  // namespace

SlotControl::SlotControl(const SlotOptions& options)
    : load_(options.load),
      threads_(static_cast<std::size_t>(options.threads)),
      level_(level_options(options)) {}

int SlotControl::slots(int thread) const {
  const int threads = static_cast<int>(threads_.size());
  const int level = level_.level();
  return level / threads + (thread < level % threads ? 1 : 0);
}

int SlotControl::slots(int thread, int enough) const {
  const bool is_limit = is_cpu_bound(threads_[static_cast<std::size_t>(thread)]);
  return is_limit ? std::min(slots(thread), enough) : slots(thread);
}

void SlotControl::measure_load(int thread, TimePoint now) {
  Thread& own = threads_[static_cast<std::size_t>(thread)];
  if (load_ == nullptr || now - own.measured_at < kLoadPeriod) return;
  const Duration busy = load_->busy_time();
  if (own.measured_at != TimePoint{}) {
    const auto percent = (busy - own.busy_time) * 100 / (now - own.measured_at);
    own.load_percent.store(static_cast<std::uint32_t>(percent), std::memory_order_relaxed);
  }
  own.measured_at = now;
  own.busy_time = busy;
}

bool SlotControl::on_asked(TimePoint now, std::uint64_t bytes_received, std::uint64_t throttles) {
  const int before = level_.level();
  level_.add({.now = now,
              .bytes_received = bytes_received,
              .throttles = throttles,
              .full = all_full(),
              .cpu_bound = is_cpu_bound()});
  return level_.level() > before;
}

void SlotControl::on_nothing(int thread, bool full) {
  threads_[static_cast<std::size_t>(thread)].full = full;
}

TimePoint SlotControl::next_due(TimePoint now) const {
  if (!level_.is_fixed() && all_full()) return now + kSamplePeriod;
  // Its load, as it was when measured last, may be what keeps a thread from more.
  const bool is_kept = std::any_of(threads_.begin(), threads_.end(), [this](const Thread& thread) {
    return thread.full && is_cpu_bound(thread);
  });
  return is_kept ? now + kLoadPeriod : TimePoint::max();
}

bool SlotControl::is_cpu_bound() const {
  std::size_t sum = 0;
  for (const Thread& thread : threads_) sum += thread.load_percent.load(std::memory_order_relaxed);
  return sum >= kCpuBoundPercent * threads_.size();
}

bool SlotControl::is_cpu_bound(const Thread& thread) const {
  return thread.load_percent.load(std::memory_order_relaxed) >= kCpuBoundPercent;
}

bool SlotControl::all_full() const {
  return std::all_of(threads_.begin(), threads_.end(),
                     [](const Thread& thread) { return thread.full; });
}

}  // namespace ossmc
