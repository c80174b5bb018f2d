// StoreEvidence: whether what stands at the endpoint has shown itself to be an object store.
#pragma once

#include <atomic>
#include <string>

#include "protocol/endpoint.h"
#include "protocol/error_reply.h"

namespace ossmc {

// Thread-safe. Owned by the engine, outlives every request.
class StoreEvidence {
 public:
  explicit StoreEvidence(const Endpoint& endpoint) : endpoint_(endpoint.text()) {}

  // A usable reply about an object came.
  void note_object() {
    if (!has_given_objects_.load(std::memory_order_relaxed))
      has_given_objects_.store(true, std::memory_order_relaxed);
  }
  // It refers to this.
  Replier replier() const {
    return {endpoint_, has_given_objects_.load(std::memory_order_relaxed)};
  }

 private:
  const std::string endpoint_;
  std::atomic<bool> has_given_objects_{false};  // relaxed: nothing else is read by it
};

}  // namespace ossmc
