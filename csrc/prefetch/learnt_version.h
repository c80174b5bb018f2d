// LearntVersion: what replies tell of the version of an object that was opened by a listing's word
// of it: CRC-64, version id, Last-Modified.
#pragma once

#include <atomic>

#include "fetch/response_check.h"

namespace ossmc {

// Shared by a reader and its streams, one after the other. Thread-safe, without a lock: a forked
// child finds it whole.
class LearntVersion {
 public:
  LearntVersion() = default;
  ~LearntVersion();
  LearntVersion(const LearntVersion&) = delete;
  LearntVersion& operator=(const LearntVersion&) = delete;

  // By the first good reply; what others say after it is not kept.
  void tell(const ObjectVersion& version);
  // Null: nothing was told yet. Else constant, and there as long as this is.
  const ObjectVersion* told() const { return told_.load(std::memory_order_acquire); }

 private:
  std::atomic<const ObjectVersion*> told_{
      nullptr};  // owned; release and acquire: what it points to
};

}  // namespace ossmc
