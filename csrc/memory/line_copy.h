// A copy by vectors, a line of the target at a time: for where memcpy() is not what is wanted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "memory/streaming_copy.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ossmc {

inline constexpr std::size_t kLineBytes = 64;

// memcpy(to, from, size), the target's whole lines by vectors of 16 bytes; what is before and
// behind them by ordinary stores. On processors without such vectors it is memcpy(). REQUIRES: size
// >= kLineBytes.
template <Stores Kind>
void copy_by_lines(std::byte* to, const std::byte* from, std::size_t size) {
  std::size_t at = 0;
#if defined(__SSE2__)
  at = -reinterpret_cast<std::uintptr_t>(to) % kLineBytes;
  std::memcpy(to, from, at);
  const auto store = [](__m128i* target, __m128i bytes) {
    if constexpr (Kind == Stores::kStreaming) {
      _mm_stream_si128(target, bytes);
    } else {
      _mm_store_si128(target, bytes);
    }
  };
  for (; size - at >= kLineBytes; at += kLineBytes) {
    const auto* const source = reinterpret_cast<const __m128i*>(from + at);
    auto* const line = reinterpret_cast<__m128i*>(to + at);
    const __m128i a = _mm_loadu_si128(source);
    const __m128i b = _mm_loadu_si128(source + 1);
    const __m128i c = _mm_loadu_si128(source + 2);
    const __m128i d = _mm_loadu_si128(source + 3);
    store(line, a);
    store(line + 1, b);
    store(line + 2, c);
    store(line + 3, d);
  }
#endif
  std::memcpy(to + at, from + at, size - at);
}

}  // namespace ossmc
