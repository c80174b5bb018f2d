// A copy and the CRC-64 of what is copied, in one pass where that is faster.
//
// Bytes come in pieces of some 16 KiB and are in the caches then: each is read once for both. With
// 256-bit carry-less multiplication (VPCLMULQDQ without AVX-512: AMD's Zen 3, most of Intel's
// processors for desktops) the CRC takes less than half of the time of ISA-L 2.30, which has that
// for AVX-512 alone, and hides behind the copy. Everywhere else it is the copy, and then ISA-L.
// docs/performance.md has the figures.
#pragma once

#include <cstddef>
#include <cstdint>

#include "memory/streaming_copy.h"

namespace ossmc {

// memcpy(to, from, size), and crc64_update(crc, from, size).
std::uint64_t copy_with_crc64(std::byte* to, const std::byte* from, std::size_t size,
                              std::uint64_t crc, Stores stores);

// The one pass, for tests on processors that can, though the two may be faster there.
// REQUIRES: can_fold_crc64(), size >= kLeastFoldedBytes.
inline constexpr std::size_t kLeastFoldedBytes = 1024;
bool can_fold_crc64();
std::uint64_t copy_and_fold_crc64(std::byte* to, const std::byte* from, std::size_t size,
                                  std::uint64_t crc, Stores stores);

}  // namespace ossmc
