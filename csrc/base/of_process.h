// OfProcess: the one object of its kind in this process, made when it is first asked for.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/fork_guard.h"

namespace ossmc {

// Static; thread-safe, lock-free. A forked child makes an object of its own. Its parent's is left
// alone, and leaked: a thread that is not here may have held its locks.
template <typename T>
class OfProcess {
 public:
  // `make` gives a std::unique_ptr<T>. Two threads may both call it: one of theirs is taken.
  template <typename Make>
  T& get(const Make& make) {
    // Acquire and release: what another thread has made is complete when its address is seen.
    Made* found = current_.load(std::memory_order_acquire);
    while (found == nullptr || found->generation != fork_generation()) {
      auto fresh = std::make_unique<Made>(fork_generation(), make());
      if (current_.compare_exchange_strong(found, fresh.get(), std::memory_order_acq_rel,
                                           std::memory_order_acquire))
        return *fresh.release()->object;
    }
    return *found->object;
  }

 private:
  struct Made {
    Made(std::uint64_t generation_in, std::unique_ptr<T> object_in)
        : generation(generation_in), object(std::move(object_in)) {}
    const std::uint64_t generation;  // of forks
    const std::unique_ptr<T> object;
  };
  std::atomic<Made*> current_{nullptr};
};

}  // namespace ossmc
