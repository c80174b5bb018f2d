// Page kind: whether new memory gets huge pages or small ones, by what they cost on this machine.
//
// On bare metal huge pages are cheaper to make by far. On some virtual machines they are dearer:
// 2.0 CPU-seconds a GB received into huge pages, 1.2 into small ones (docs/performance.md).
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace ossmc {

enum class PageKind : std::uint8_t { kSmall, kHuge };

// Tries both kinds and decides for the cheaper one. Thread-safe, lock-free.
class PageTrial {
 public:
  // How often each kind is tried: the least cost counts, since others may disturb a single one.
  static constexpr int kTriesOfKind = 4;

  // For the next new memory. Until it is known, the kinds take turns.
  PageKind next();
  // No try is needed any more.
  bool is_decided() const { return decision_.load(std::memory_order_relaxed) != kUndecided; }
  // Pages for so many bytes took so long, by the thread's CPU clock.
  void add(PageKind kind, std::size_t bytes, std::chrono::nanoseconds cpu_time);

 private:
  static constexpr std::uint8_t kUndecided = 255;

  struct Tries {
    std::atomic<int> count{0};
    std::atomic<std::uint64_t> least_ns_per_mib{UINT64_MAX};
  };
  std::array<Tries, 2> tries_;  // by PageKind
  std::atomic<unsigned> turn_{0};
  std::atomic<std::uint8_t> decision_{kUndecided};
};

// Of this process. A forked child goes on with what its parent found.
PageTrial& process_page_trial();

}  // namespace ossmc
