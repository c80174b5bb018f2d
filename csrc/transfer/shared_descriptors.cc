#include "transfer/shared_descriptors.h"

#include <utility>

#include "base/of_process.h"

namespace ossmc {

namespace {

constexpr std::uint64_t kOneBegun = std::uint64_t{1} << 32;
constexpr std::uint64_t kInProgress = kOneBegun - 1;

// begin_exchange() met others: no exchange that is alone has this number.
constexpr std::uint64_t kNotAlone = 0;

}  // namespace

SharedDescriptors& SharedDescriptors::of_this_process() {
  static constinit OfProcess<SharedDescriptors> of_process;
  return of_process.get([] { return std::make_unique<SharedDescriptors>(); });
}

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
