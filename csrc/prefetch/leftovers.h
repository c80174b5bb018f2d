// Leftovers: chunks of closed objects from which somebody still copied when they were closed.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "prefetch/freed_memory.h"

namespace ossmc {

// Guarded by the scheduler's mutex, which owns it. Does not keep the objects: one that goes gives
// its memory back itself.
class Leftovers {
 public:
  void add(ObjectStream& closed, std::uint64_t index);
  // Takes what nobody copies from any more. Reads tell through ChunkClaims::retake_closed(), unless
  // the close came between their copy and their look at it: ask now and then.
  void take(FreedMemory* freed);
  bool empty() const { return chunks_.empty(); }

 private:
  struct Left {
    std::weak_ptr<ObjectStream> stream;
    std::uint64_t index = 0;
  };
  std::vector<Left> chunks_;
};

}  // namespace ossmc
