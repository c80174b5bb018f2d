#include "prefetch/leftovers.h"

#include <utility>

namespace ossmc {

void Leftovers::add(ObjectStream& closed, std::uint64_t index) {
  chunks_.push_back({closed.weak_from_this(), index});
}

void Leftovers::take(FreedMemory* freed) {
  if (chunks_.empty()) return;
  std::vector<Left> left;
  for (Left& one : chunks_) {
    std::shared_ptr<ObjectStream> stream = one.stream.lock();
    if (stream == nullptr) continue;
    take_chunk(*stream, one.index, freed);
    // Another may have taken it.
    if (stream->slot(one.index).chunk.view().phase != ChunkPhase::kAbsent) {
      left.push_back(std::move(one));
    } else {
      take_region(*stream, freed);
    }
    freed->streams.push_back(std::move(stream));
  }
  chunks_ = std::move(left);
}

}  // namespace ossmc
