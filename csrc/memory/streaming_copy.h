// A copy for bytes that nobody reads soon: received bytes on their way into chunk memory.
//
// A chunk is read a whole budget of bytes after it was written, when no cache holds it any more. An
// ordinary copy nevertheless fetches each line of the destination before overwriting it, and evicts
// what the receive path needs for it. Stores past the caches (x86-64's MOVNTDQ) do neither:
// docs/performance.md has what that saves.
#pragma once

#include <cstddef>
#include <cstring>

namespace ossmc {

// memcpy(to, from, size). By ordinary stores where the machine has no others, and for small sizes.
void streaming_copy(std::byte* to, const std::byte* from, std::size_t size);

enum class Stores {
  kOrdinary,
  kStreaming,  // past the caches, as streaming_copy(): finish_streaming_copies() ends them
};

// memcpy() or streaming_copy().
inline void copy_bytes(std::byte* to, const std::byte* from, std::size_t size, Stores stores) {
  if (stores == Stores::kStreaming) {
    streaming_copy(to, from, size);
  } else {
    std::memcpy(to, from, size);
  }
}

// To be called between a thread's copies and the release store that tells others of the bytes. It
// waits until the copies have reached memory, so do in between what else there is to do.
void finish_streaming_copies();

}  // namespace ossmc
