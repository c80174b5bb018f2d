#include "prefetch/learnt_version.h"

#include <utility>

namespace ossmc {

LearntVersion::~LearntVersion() { delete told_.load(std::memory_order_relaxed); }

std::optional<std::string> LearntVersion::take(const ObjectVersion& reply) {
  const Told* last = told_.load(std::memory_order_acquire);
  while (true) {
    auto next = std::make_unique<Told>();
    if (last == nullptr) {
      next->version = reply;
    } else {
      if (auto other = difference(last->version, reply)) return other;
      if (tells_nothing_of(last->version, reply)) {
        return "ETag was \"" + last->version.etag + "\", and the reply tells nothing of it";
      }
      next->version = last->version;
      if (!add_marks(next->version, reply)) break;
    }
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
