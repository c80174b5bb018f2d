#include "prefetch/learnt_version.h"

#include <memory>

namespace ossmc {

LearntVersion::~LearntVersion() { delete told_.load(std::memory_order_relaxed); }

void LearntVersion::tell(const ObjectVersion& version) {
  if (told() != nullptr) return;
  auto made = std::make_unique<const ObjectVersion>(version);
  const ObjectVersion* nothing = nullptr;
  if (told_.compare_exchange_strong(nothing, made.get(), std::memory_order_acq_rel))
    static_cast<void>(made.release());
}

}  // namespace ossmc
