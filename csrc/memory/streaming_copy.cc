#include "memory/streaming_copy.h"

#include <cstring>

#include "memory/line_copy.h"

// Sanitizers do not see these stores: their builds copy in the way they can check.
#if defined(__SSE2__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define OSSMC_HAS_STREAMING_STORES 1
#include <emmintrin.h>
#else
#define OSSMC_HAS_STREAMING_STORES 0
#endif

namespace ossmc {

#if OSSMC_HAS_STREAMING_STORES

namespace {

// Below this the lines that are begun or ended by ordinary stores are too large a part.
constexpr std::size_t kSmallestBytes = 16 * kLineBytes;

}  // namespace

void streaming_copy(std::byte* to, const std::byte* from, std::size_t size) {
  if (size < kSmallestBytes) {
    std::memcpy(to, from, size);
    return;
  }
  // Whole lines only: a line that is written in part goes to memory in several transfers.
  copy_by_lines<Stores::kStreaming>(to, from, size);
}

// A release store alone does not wait for these stores.
void finish_streaming_copies() { _mm_sfence(); }

#else

void streaming_copy(std::byte* to, const std::byte* from, std::size_t size) {
  std::memcpy(to, from, size);
}

void finish_streaming_copies() {}

#endif

}  // namespace ossmc
