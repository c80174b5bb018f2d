#include "memory/lent_memory.h"

#include <cassert>

#include "base/wait.h"

namespace ossmc {

namespace {
constexpr std::uint32_t kTakenBack = std::uint32_t{1} << 31;
}  // namespace

bool LentMemory::enter() {
  std::uint32_t word = word_.load(std::memory_order_relaxed);
  while ((word & kTakenBack) == 0) {
    if (word_.compare_exchange_weak(word, word + 1, std::memory_order_acquire,
                                    std::memory_order_relaxed))
      return true;
  }
  return false;
}

void LentMemory::leave() {
  const std::uint32_t before = word_.fetch_sub(1, std::memory_order_release);
  assert((before & ~kTakenBack) != 0);
  if (before == (kTakenBack | 1)) futex_wake_all(word_);
}

void LentMemory::take_back() {
  std::uint32_t word = word_.fetch_or(kTakenBack, std::memory_order_acq_rel) | kTakenBack;
  while (word != kTakenBack) {
    futex_wait(word_, word, kWaitSlice);
    word = word_.load(std::memory_order_acquire);
  }
}

}  // namespace ossmc
