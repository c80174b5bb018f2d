// PinnedBytes: bytes of an object where they lie in chunk memory, which stays while they are
// pinned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "prefetch/scheduler.h"

namespace ossmc {

// One owner, any thread. The scheduler outlives it; the stream may be closed meanwhile. What is
// pinned counts against the budget.
class PinnedBytes {
 public:
  PinnedBytes() = default;
  // Of a chunk that the caller has pinned.
  PinnedBytes(Scheduler& scheduler, std::shared_ptr<ObjectStream> stream, std::uint64_t index,
              std::span<const std::byte> bytes)
      : scheduler_(&scheduler), stream_(std::move(stream)), index_(index), bytes_(bytes) {}
  PinnedBytes(PinnedBytes&& other) noexcept { swap(other); }
  PinnedBytes& operator=(PinnedBytes&& other) noexcept {
    swap(other);
    return *this;
  }
  ~PinnedBytes();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  void swap(PinnedBytes& other) noexcept;

  Scheduler* scheduler_ = nullptr;
  std::shared_ptr<ObjectStream> stream_;  // null: nothing is pinned
  std::uint64_t index_ = 0;
  std::span<const std::byte> bytes_;
};

// A reader is done with bytes that it has pinned. The memory of a closed stream goes when the last
// one is; the I/O threads see to that too, while there are any.
void unpin(Scheduler& scheduler, ObjectStream& stream, std::uint64_t index);

}  // namespace ossmc
