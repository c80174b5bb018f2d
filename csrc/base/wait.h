// Waiting: futex words with a time limit, and the Interrupt that lets a user break in.
//
// Every wait of the library is a loop of slices of at most kWaitSlice over a 32-bit word: whoever
// changes the state bumps the word and wakes it. A lost wake-up therefore costs one slice, never a
// hang.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace ossmc {

// Longest sleep between two looks at the Interrupt: Ctrl-C is felt within this time.
inline constexpr Duration kWaitSlice = std::chrono::milliseconds(100);

// Asked between slices by the thread that waits. The binding's implementation runs Python's signal
// handlers.
class Interrupt {
 public:
  virtual ~Interrupt() = default;
  // True: stop waiting, return kInterrupted.
  virtual bool pending() = 0;
};

// Never interrupts. For programs without signals of their own, and tests.
Interrupt& no_interrupt();

// Sleeps until `word` no longer holds `expected`, somebody wakes it, or `limit` has passed. May
// return early.
void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected, Duration limit);
void futex_wake_all(const std::atomic<std::uint32_t>& word);

}  // namespace ossmc
