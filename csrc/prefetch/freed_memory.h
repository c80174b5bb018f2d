// FreedMemory: what left the scheduler's books under its mutex, to be given back after the mutex
// was released: unmapping is a system call.
#pragma once

#include <memory>
#include <vector>

#include "memory/page_pool.h"
#include "memory/view_region.h"
#include "prefetch/object_stream.h"

namespace ossmc {

struct FreedMemory {
  std::vector<Block> blocks;
  std::vector<std::shared_ptr<ViewRegion>> regions;
  std::vector<std::shared_ptr<ObjectStream>> streams;  // maybe the last to hold them

  bool empty() const { return blocks.empty() && regions.empty(); }
};

// Takes the chunk's memory, if it has any that nobody writes to or copies from; false otherwise.
// The budget has its part back at once, but for what the region of an open object counts on.
// REQUIRES: the scheduler's mutex.
bool take_chunk(ObjectStream& stream, std::uint64_t index, FreedMemory* freed);

// Of a closed object, unless an exchange still writes to it or somebody copies from it. REQUIRES:
// the scheduler's mutex.
void take_region(ObjectStream& closed, FreedMemory* freed);

}  // namespace ossmc
