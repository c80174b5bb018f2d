#include "prefetch/view_memory.h"

#include <cassert>
#include <utility>

namespace ossmc {

std::uint64_t ViewMemory::take_turn() {
  turns_.push_back(next_turn_);
  return next_turn_++;
}

void ViewMemory::add(ObjectStream& stream, std::shared_ptr<ViewRegion> region) {
  stream.plan.region = std::move(region);
  with_region_.emplace(stream.sequence(), &stream);
}

void ViewMemory::use(const ViewRegion& region) {
  if (uses_[&region]++ == 0) used_bytes_ += region.size();
}

void ViewMemory::end_use(const ViewRegion& region) {
  const auto found = uses_.find(&region);
  assert(found != uses_.end());
  if (--found->second > 0) return;
  uses_.erase(found);
  used_bytes_ -= region.size();
}

ObjectStream* ViewMemory::next(std::uint64_t sequence) const {
  const auto found = with_region_.upper_bound(sequence);
  return found == with_region_.end() ? nullptr : found->second.get();
}

}  // namespace ossmc
