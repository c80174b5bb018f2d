#include "base/fork_gate.h"

#include <pthread.h>

#include "base/wait.h"

namespace ossmc {

namespace {

constinit ForkGate gate;

// When this library is loaded. Fails only without memory.
[[maybe_unused]] const int kGateRegistered = ::pthread_atfork(
    [] { static_cast<void>(gate.close()); }, [] { gate.open(); }, [] { gate.open_as_child(); });

}  // namespace

void ForkGate::enter() {
  for (;;) {
    inside_.fetch_add(1, std::memory_order_seq_cst);
    const std::uint32_t forks = forks_.load(std::memory_order_seq_cst);
    if (forks == 0) return;
    leave();
    futex_wait(forks_, forks, kWaitSlice);
  }
}

void ForkGate::leave() {
  const bool was_last = inside_.fetch_sub(1, std::memory_order_seq_cst) == 1;
  if (was_last && forks_.load(std::memory_order_seq_cst) != 0) futex_wake_all(inside_);
}

bool ForkGate::close(Duration limit) {
  forks_.fetch_add(1, std::memory_order_seq_cst);
  const Clock& clock = system_clock();
  const TimePoint deadline = clock.now() + limit;
  for (;;) {
    const std::uint32_t inside = inside_.load(std::memory_order_seq_cst);
    if (inside == 0) return true;
    if (clock.now() >= deadline) return false;
    futex_wait(inside_, inside, kWaitSlice);
  }
}

void ForkGate::open() {
  forks_.fetch_sub(1, std::memory_order_seq_cst);
  futex_wake_all(forks_);
}

void ForkGate::open_as_child() {
  inside_.store(0, std::memory_order_seq_cst);
  forks_.store(0, std::memory_order_seq_cst);
}

ForkGate& fork_gate() { return gate; }

}  // namespace ossmc
