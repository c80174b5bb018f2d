#include "base/fork_guard.h"

#include <pthread.h>

#include <atomic>

namespace ossmc {

namespace {

constinit std::atomic<std::uint64_t> generation{0};

// Runs in the child, where only the forking thread lives. vfork() and posix_spawn() do not come
// here, rightly: their child runs nothing of ours before exec().
void count_fork() { generation.fetch_add(1, std::memory_order_relaxed); }

// When this library is loaded. Fails only without memory.
[[maybe_unused]] const int kGuardRegistered = ::pthread_atfork(nullptr, nullptr, &count_fork);

}  // namespace

// Relaxed: it changes only where there is no other thread.
std::uint64_t fork_generation() { return generation.load(std::memory_order_relaxed); }

}  // namespace ossmc
