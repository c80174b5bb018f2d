#include "prefetch/freed_memory.h"

#include <utility>

namespace ossmc {

bool take_chunk(ObjectStream& stream, std::uint64_t index, FreedMemory* freed) {
  Block block;
  Ticket ticket;
  if (!stream.slot(index).chunk.try_take_block(&block, &ticket)) return false;
  if (block) freed->blocks.push_back(std::move(block));
  // A region counts on the tickets of the chunks that had memory when it was made.
  if (stream.plan.region != nullptr && !stream.is_closed()) {
    if (ticket.bytes() > stream.chunk_length(index)) ticket.shrink_to(stream.chunk_length(index));
    stream.plan.region->absorb(std::move(ticket));
  }
  return true;
}

void take_region(ObjectStream& closed, FreedMemory* freed) {
  if (closed.plan.region == nullptr) return;
  for (std::uint64_t i = 0; i < closed.chunk_count(); ++i) {
    const ChunkSlot& slot = closed.slot(i);
    if (slot.in_region && slot.chunk.view().phase != ChunkPhase::kAbsent) return;
  }
  freed->regions.push_back(std::move(closed.plan.region));
}

}  // namespace ossmc
