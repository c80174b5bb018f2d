// LentMemory: buffers that a caller lends to I/O threads for the time of one call. When the call
// has taken them back nobody writes there any more, though requests may be in flight still.
#pragma once

#include <atomic>
#include <cstdint>

namespace ossmc {

// Thread-safe. Shared by the call and by what was started for it.
class LentMemory {
 public:
  LentMemory() = default;
  LentMemory(const LentMemory&) = delete;
  LentMemory& operator=(const LentMemory&) = delete;

  // Before and after each write, which must not block. False: taken back; do not write.
  bool enter();
  void leave();
  // Waits for those who are inside, as long as a copy takes. After it nobody enters.
  void take_back();

 private:
  // How many are inside, and whether it was taken back. Acquire and release: what was written is
  // seen by who takes it back.
  std::atomic<std::uint32_t> word_{0};
};

}  // namespace ossmc
