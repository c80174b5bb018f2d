// RefusedMemory: a system that has no memory now and then: none for the block of a chunk, none for
// the region of a view.
//
// For this, the program that links refused_memory.cc has its own aligned_alloc and mmap around
// those of the system. They refuse nothing but to a virtual thread, while there is a RefusedMemory
// that wants it.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

namespace ossmc {

// One at a time; used by one thread.
class RefusedMemory {
 public:
  // Asked each time that a virtual thread wants memory. Threads meet there, as at system calls.
  explicit RefusedMemory(std::function<bool()> refuses);
  ~RefusedMemory();
  RefusedMemory(const RefusedMemory&) = delete;
  RefusedMemory& operator=(const RefusedMemory&) = delete;

  std::uint64_t blocks() const { return blocks_; }
  std::uint64_t regions() const { return regions_; }
  std::uint64_t refusals() const { return blocks_ + regions_; }

  // The seams below.
  static bool refuse_block() { return active != nullptr && active->refuse(&active->blocks_); }
  static bool refuse_region() { return active != nullptr && active->refuse(&active->regions_); }

 private:
  bool refuse(std::uint64_t* count) const;

  static RefusedMemory* active;

  const std::function<bool()> refuses_;
  std::uint64_t blocks_ = 0;
  std::uint64_t regions_ = 0;
};

}  // namespace ossmc
