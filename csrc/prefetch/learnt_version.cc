#include "prefetch/learnt_version.h"

#include <utility>

namespace ossmc {

LearntVersion::~LearntVersion() { delete told_.load(std::memory_order_relaxed); }

std::optional<std::string> LearntVersion::take(const ObjectVersion& reply) {
  const Told* last = told_.load(std::memory_order_acquire);
  while (true) {
    if (last != nullptr) {
      if (auto other = difference(last->version, reply)) return other;
      if (tells_nothing_of(last->version, reply)) return silence_about(last->version);
      if (!has_more_marks(last->version, reply)) break;
    }
    auto next = std::make_unique<Told>();
    next->version = last == nullptr ? reply : last->version;
    add_marks(next->version, reply);
    next->before.reset(last);
    if (told_.compare_exchange_strong(last, next.get(), std::memory_order_acq_rel)) {
      static_cast<void>(next.release());
      break;
    }
    static_cast<void>(next->before.release());  // another thread's
  }
  if (reply.etag.empty()) lacks_etag_ = true;
  return std::nullopt;
}

const ObjectVersion* LearntVersion::told() const {
  const Told* const last = told_.load(std::memory_order_acquire);
  return last == nullptr ? nullptr : &last->version;
}

}  // namespace ossmc
