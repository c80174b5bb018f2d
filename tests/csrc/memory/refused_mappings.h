// RefusedMappings: a system that refuses to map memory.
//
// For this, the program that links refused_mappings.cc has its own mmap around that of the system;
// not under ThreadSanitizer, where nothing is refused.
#pragma once

#include <cstddef>
#include <functional>

namespace ossmc {

// While it lives, what the thread that made it asks to be mapped is refused where `refuses` says
// so. One at a time.
class RefusedMappings {
 public:
  explicit RefusedMappings(std::function<bool(std::size_t bytes)> refuses);
  ~RefusedMappings();
  RefusedMappings(const RefusedMappings&) = delete;
  RefusedMappings& operator=(const RefusedMappings&) = delete;
};

}  // namespace ossmc
