#include "stress/stress_shared.h"

#include <utility>

namespace ossmc {

std::shared_ptr<ObjectReader> StressShared::reader(std::uint64_t slot) const {
  const std::lock_guard lock(mutex_);
  return readers_[slot];
}

void StressShared::put(std::uint64_t slot, std::shared_ptr<ObjectReader> reader) {
  {
    const std::lock_guard lock(mutex_);
    std::swap(readers_[slot], reader);
  }
  reader = nullptr;  // closes the one that was there, if nobody else has it: not under the mutex
}

bool StressShared::try_keep(std::uint64_t view_bytes) {
  const std::lock_guard lock(mutex_);
  if (view_bytes > view_bytes_left_) return false;
  view_bytes_left_ -= view_bytes;
  return true;
}

void StressShared::end_keep(std::uint64_t view_bytes) {
  const std::lock_guard lock(mutex_);
  view_bytes_left_ += view_bytes;
}

}  // namespace ossmc
