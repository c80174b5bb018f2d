// StressShared: what the callers of one connector share in a stress test. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "connector/object_reader.h"

namespace ossmc {

class StressShared {
 public:
  static constexpr std::uint64_t kSlots = 8;

  // `most_view_bytes`: of all views that callers keep. Each might come to wait for memory that
  // another keeps otherwise.
  explicit StressShared(std::uint64_t most_view_bytes) : view_bytes_left_(most_view_bytes) {}

  std::shared_ptr<ObjectReader> reader(std::uint64_t slot) const;
  void put(std::uint64_t slot, std::shared_ptr<ObjectReader> reader);
  // Whether a caller may keep a view of that size.
  bool try_keep(std::uint64_t view_bytes);
  void end_keep(std::uint64_t view_bytes);

 private:
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::shared_ptr<ObjectReader> readers_[kSlots];
  std::uint64_t view_bytes_left_;
};

}  // namespace ossmc
