#include "memory/copy_out.h"

#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ossmc {

namespace {

#if defined(__SSE2__)

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kVectorBytes = sizeof(__m128i);
constexpr std::size_t kStepBytes = 4 * kVectorBytes;

// Wider than where it was seen to be slow (1 to 31 bytes, 4 to 448 KiB): glibc takes the limits of
// its range from the processor. What is copied here in vain loses next to nothing.
constexpr std::size_t kSlowDistances = 64;
constexpr std::size_t kSlowFromBytes = 2048;
constexpr std::size_t kSlowToBytes = std::size_t{2} << 20;

bool is_slow(const std::byte* to, const std::byte* from, std::size_t size) {
  const std::size_t distance =
      (reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(from)) % kPageBytes;
  return distance > 0 && distance < kSlowDistances && size >= kSlowFromBytes && size < kSlowToBytes;
}

// REQUIRES: size >= kVectorBytes.
void copy_by_vectors(std::byte* to, const std::byte* from, std::size_t size) {
  // The target's first vector is written where it begins, and then again in part.
  std::memcpy(to, from, kVectorBytes);
  std::size_t at = -reinterpret_cast<std::uintptr_t>(to) % kVectorBytes;
  for (; size - at >= kStepBytes; at += kStepBytes) {
    const auto* const source = reinterpret_cast<const __m128i*>(from + at);
    auto* const target = reinterpret_cast<__m128i*>(to + at);
    const __m128i a = _mm_loadu_si128(source);
    const __m128i b = _mm_loadu_si128(source + 1);
    const __m128i c = _mm_loadu_si128(source + 2);
    const __m128i d = _mm_loadu_si128(source + 3);
    _mm_store_si128(target, a);
    _mm_store_si128(target + 1, b);
    _mm_store_si128(target + 2, c);
    _mm_store_si128(target + 3, d);
  }
  std::memcpy(to + at, from + at, size - at);
}

#endif

}  // namespace

void copy_out(std::byte* to, const std::byte* from, std::size_t size) {
#if defined(__SSE2__)
  if (is_slow(to, from, size)) {
    copy_by_vectors(to, from, size);
    return;
  }
#endif
  std::memcpy(to, from, size);
}

}  // namespace ossmc
