#include "transfer/shared_descriptors.h"

#include <utility>

#include "base/fork_guard.h"

namespace ossmc {

namespace {

constexpr std::uint64_t kOneBegun = std::uint64_t{1} << 32;
constexpr std::uint64_t kInProgress = kOneBegun - 1;

// begin_exchange() met others: no exchange that is alone has this number.
constexpr std::uint64_t kNotAlone = 0;

constinit std::atomic<SharedDescriptors*> of_process{nullptr};

}  // namespace

SharedDescriptors& SharedDescriptors::of_this_process() {
  // Acquire and release: what another thread has made is complete when its address is seen. The
  // parent's is left alone, and leaked: a thread that is not here may have held its lock.
  SharedDescriptors* current = of_process.load(std::memory_order_acquire);
  while (current == nullptr || current->generation_ != fork_generation()) {
    auto fresh = std::make_unique<SharedDescriptors>();
    if (of_process.compare_exchange_strong(current, fresh.get(), std::memory_order_acq_rel))
      return *fresh.release();
  }
  return *current;
}

SharedDescriptors::SharedDescriptors() : generation_(fork_generation()) {}

std::uint64_t SharedDescriptors::begin_exchange() {
  const std::uint64_t before = exchanges_.fetch_add(kOneBegun + 1);
  return (before & kInProgress) == 0 ? before + kOneBegun + 1 : kNotAlone;
}

void SharedDescriptors::end_exchange() { exchanges_.fetch_sub(1); }

bool SharedDescriptors::holds_any() const {
  return (exchanges_.load() & kInProgress) != 0 || sockets_.load() != 0;
}

bool SharedDescriptors::was_alone(std::uint64_t begun) const {
  return begun != kNotAlone && exchanges_.load() == begun && sockets_.load() == 0;
}

void SharedDescriptors::join(std::shared_ptr<Waker> thread) {
  const MutexLock lock(mutex_);
  threads_.push_back(std::move(thread));
}

void SharedDescriptors::leave(const Waker& thread) {
  std::shared_ptr<Waker> left;  // goes under no lock
  const MutexLock lock(mutex_);
  for (auto it = threads_.begin(); it != threads_.end(); ++it) {
    if (it->get() != &thread) continue;
    left = std::move(*it);
    threads_.erase(it);
    return;
  }
}

void SharedDescriptors::ask_to_give_way() {
  asked_.fetch_add(1);
  std::vector<std::shared_ptr<Waker>> threads;
  {
    const MutexLock lock(mutex_);
    threads = threads_;
  }
  for (const auto& thread : threads) thread->wake();
}

}  // namespace ossmc
