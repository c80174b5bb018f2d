#include "memory/streaming_copy.h"

#include <cstdint>
#include <cstring>

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

constexpr std::size_t kLineBytes = 64;
// Below this the lines that are begun or ended by ordinary stores are too large a part.
constexpr std::size_t kSmallestBytes = 16 * kLineBytes;

}  // namespace

void streaming_copy(std::byte* to, const std::byte* from, std::size_t size) {
  if (size < kSmallestBytes) {
    std::memcpy(to, from, size);
    return;
  }
  // Whole lines only: a line that is written in part goes to memory in several transfers.
  const std::size_t head = -reinterpret_cast<std::uintptr_t>(to) % kLineBytes;
  std::memcpy(to, from, head);
  std::size_t at = head;
  for (; size - at >= kLineBytes; at += kLineBytes) {
    const auto* const source = reinterpret_cast<const __m128i*>(from + at);
    auto* const line = reinterpret_cast<__m128i*>(to + at);
    const __m128i a = _mm_loadu_si128(source);
    const __m128i b = _mm_loadu_si128(source + 1);
    const __m128i c = _mm_loadu_si128(source + 2);
    const __m128i d = _mm_loadu_si128(source + 3);
    _mm_stream_si128(line, a);
    _mm_stream_si128(line + 1, b);
    _mm_stream_si128(line + 2, c);
    _mm_stream_si128(line + 3, d);
  }
  std::memcpy(to + at, from + at, size - at);
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
