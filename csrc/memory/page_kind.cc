#include "memory/page_kind.h"

namespace ossmc {

namespace {

// Huge pages also make each later access cheaper: a little may be paid for that.
constexpr std::uint64_t kHugeWinsWithinPercent = 110;

}  // namespace

PageKind PageTrial::next() {
  const std::uint8_t decision = decision_.load(std::memory_order_relaxed);
  if (decision != kUndecided) return static_cast<PageKind>(decision);
  return turn_.fetch_add(1, std::memory_order_relaxed) % 2 == 0 ? PageKind::kHuge
                                                                : PageKind::kSmall;
}

void PageTrial::add(PageKind kind, std::size_t bytes, std::chrono::nanoseconds cpu_time) {
  if (is_decided() || bytes == 0) return;
  Tries& tries = tries_[static_cast<std::size_t>(kind)];
  const std::uint64_t cost = static_cast<std::uint64_t>(cpu_time.count()) * (1u << 20) / bytes;
  std::uint64_t least = tries.least_ns_per_mib.load(std::memory_order_relaxed);
  while (cost < least && !tries.least_ns_per_mib.compare_exchange_weak(least, cost)) {
  }
  ++tries.count;
  const Tries& small = tries_[static_cast<std::size_t>(PageKind::kSmall)];
  const Tries& huge = tries_[static_cast<std::size_t>(PageKind::kHuge)];
  if (small.count < kTriesOfKind || huge.count < kTriesOfKind) return;
  const bool is_huge_cheaper =
      huge.least_ns_per_mib * 100 <= small.least_ns_per_mib * kHugeWinsWithinPercent;
  decision_.store(static_cast<std::uint8_t>(is_huge_cheaper ? PageKind::kHuge : PageKind::kSmall),
                  std::memory_order_relaxed);
}

PageTrial& process_page_trial() {
  static constinit PageTrial trial;
  return trial;
}

}  // namespace ossmc
