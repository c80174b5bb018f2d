#include "prefetch/slot_control.h"

#include <algorithm>
#include <chrono>

namespace ossmc {

namespace {

// Often enough that a trial of 300 ms has several samples.
constexpr Duration kSamplePeriod = std::chrono::milliseconds(50);

ConcurrencyOptions level_options(const SlotOptions& options) {
  return {.start = options.threads * options.start_per_thread,
          .least = options.threads,
          .most = options.threads * options.most_per_thread};
}

}  // namespace

SlotControl::SlotControl(const SlotOptions& options, const ThreadLoads& loads)
    : loads_(loads),
      full_(static_cast<std::size_t>(options.threads)),
      level_(level_options(options)) {}

int SlotControl::slots(int thread) const {
  const int threads = static_cast<int>(full_.size());
  const int level = level_.level();
  return level / threads + (thread < level % threads ? 1 : 0);
}

int SlotControl::slots(int thread, int enough) const {
  return loads_.is_full(thread) ? std::min(slots(thread), enough) : slots(thread);
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
  full_[static_cast<std::size_t>(thread)] = full;
}

TimePoint SlotControl::next_due(TimePoint now) const {
  if (!level_.is_fixed() && all_full()) return now + kSamplePeriod;
  // Its load, as it was when measured last, may be what keeps a thread from more.
  for (std::size_t thread = 0; thread < full_.size(); ++thread) {
    if (full_[thread] && loads_.is_full(static_cast<int>(thread)))
      return now + ThreadLoads::kPeriod;
  }
  return TimePoint::max();
}

bool SlotControl::all_full() const {
  return std::all_of(full_.begin(), full_.end(), [](bool full) { return full; });
}

}  // namespace ossmc
