#include "prefetch/pinned_bytes.h"

namespace ossmc {

PinnedBytes::~PinnedBytes() {
  if (stream_ != nullptr) unpin(*scheduler_, *stream_, index_);
}

void PinnedBytes::swap(PinnedBytes& other) noexcept {
  std::swap(scheduler_, other.scheduler_);
  stream_.swap(other.stream_);
  std::swap(index_, other.index_);
  std::swap(bytes_, other.bytes_);
}

void unpin(Scheduler& scheduler, ObjectStream& stream, std::uint64_t index) {
  stream.slot(index).chunk.unpin();
  if (stream.is_closed()) scheduler.claims().retake_closed(stream, index);
}

}  // namespace ossmc
