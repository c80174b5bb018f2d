#include "memory/copy_with_crc64.h"

#include <bit>
#include <cstring>

#include "base/crc64.h"
#include "base/crc64_polynomial.h"

// Whether the processor has the instructions is asked when the program runs.
#if defined(__x86_64__)
#define OSSMC_CAN_FOLD 1
#include <immintrin.h>
#else
#define OSSMC_CAN_FOLD 0
#endif

namespace ossmc {

namespace {

std::uint64_t copy_then_crc64(std::byte* to, const std::byte* from, std::size_t size,
                              std::uint64_t crc, Stores stores) {
  copy_bytes(to, from, size, stores);
  // Of the bytes where they came from: there they are in a cache. After the copy, whose stores
  // reach memory meanwhile.
  return crc64_update(crc, from, size);
}

#if OSSMC_CAN_FOLD

// Four registers of 32 bytes, each folded over the 128 bytes that the four cover: Gopal and others,
// Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction, Intel 2009.
constexpr std::size_t kLineBytes = 64;
constexpr std::size_t kFoldBytes = 128;
// Below this what is before the first line and behind the last fold is too large a part.
static_assert(kLeastFoldedBytes >= 8 * kFoldBytes);

// Bytes that stand first are the higher powers. A product of two reflected polynomials is one power
// of x too high: hence the 1.
constexpr std::uint64_t kFoldFirst = crc64_power(kFoldBytes * 8 + 64 - 1);
constexpr std::uint64_t kFoldLast = crc64_power(kFoldBytes * 8 - 1);

// Inlined, and its loops over the four unrolled, by -O2 too: else the four live on the stack, and
// each fold waits for the stores of the one before (0.10 CPU-seconds a GB in place of 0.06).
#define OSSMC_FOLD_TARGET __attribute__((target("avx2,vpclmulqdq")))
#define OSSMC_FOLD_STEP OSSMC_FOLD_TARGET __attribute__((always_inline)) inline

struct Folded {
  __m256i part[4];
};

OSSMC_FOLD_STEP Folded load(const std::byte* from) {
  const auto* const source = reinterpret_cast<const __m256i*>(from);
  return {{_mm256_loadu_si256(source), _mm256_loadu_si256(source + 1),
           _mm256_loadu_si256(source + 2), _mm256_loadu_si256(source + 3)}};
}

template <Stores Kind>
OSSMC_FOLD_STEP void store(std::byte* to, const Folded& bytes) {
  auto* const target = reinterpret_cast<__m256i*>(to);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    if constexpr (Kind == Stores::kStreaming) {
      _mm256_stream_si256(target + i, bytes.part[i]);
    } else {
      _mm256_store_si256(target + i, bytes.part[i]);
    }
  }
}

// What was folded so far, as many bytes further on, and `next` after it.
OSSMC_FOLD_STEP void fold(Folded& sum, const Folded& next) {
  const __m256i by =
      _mm256_set_epi64x(std::bit_cast<long long>(kFoldLast), std::bit_cast<long long>(kFoldFirst),
                        std::bit_cast<long long>(kFoldLast), std::bit_cast<long long>(kFoldFirst));
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m256i first = _mm256_clmulepi64_epi128(sum.part[i], by, 0x00);
    const __m256i last = _mm256_clmulepi64_epi128(sum.part[i], by, 0x11);
    sum.part[i] = _mm256_xor_si256(_mm256_xor_si256(first, last), next.part[i]);
  }
}

template <Stores Kind>
OSSMC_FOLD_TARGET std::uint64_t copy_and_fold(std::byte* to, const std::byte* from,
                                              std::size_t size, std::uint64_t crc) {
  // Whole lines only: see streaming_copy().
  const std::size_t head = -reinterpret_cast<std::uintptr_t>(to) % kLineBytes;
  crc = copy_then_crc64(to, from, head, crc, Stores::kOrdinary);
  std::size_t at = head;
  Folded sum = load(from + at);
  store<Kind>(to + at, sum);
  // The inverted CRC of what came before is added to the first bytes, as if they were its end.
  sum.part[0] =
      _mm256_xor_si256(sum.part[0], _mm256_set_epi64x(0, 0, 0, std::bit_cast<long long>(~crc)));
  for (at += kFoldBytes; size - at >= kFoldBytes; at += kFoldBytes) {
    const Folded next = load(from + at);
    store<Kind>(to + at, next);
    fold(sum, next);
  }
  // The sum is 128 bytes with the same remainder as all that it was made of; the rest follows them.
  alignas(32) std::byte end[2 * kFoldBytes];
  store<Stores::kOrdinary>(end, sum);
  std::memcpy(end + kFoldBytes, from + at, size - at);
  std::memcpy(to + at, from + at, size - at);
  constexpr std::uint64_t kNothingBefore = ~std::uint64_t{0};  // its inversion is 0
  return crc64_update(kNothingBefore, end, kFoldBytes + (size - at));
}

#undef OSSMC_FOLD_STEP
#undef OSSMC_FOLD_TARGET

#endif

}  // namespace

#if OSSMC_CAN_FOLD

bool can_fold_crc64() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("vpclmulqdq");
}

std::uint64_t copy_and_fold_crc64(std::byte* to, const std::byte* from, std::size_t size,
                                  std::uint64_t crc, Stores stores) {
  return stores == Stores::kStreaming ? copy_and_fold<Stores::kStreaming>(to, from, size, crc)
                                      : copy_and_fold<Stores::kOrdinary>(to, from, size, crc);
}

#else

bool can_fold_crc64() { return false; }

std::uint64_t copy_and_fold_crc64(std::byte* to, const std::byte* from, std::size_t size,
                                  std::uint64_t crc, Stores stores) {
  return copy_then_crc64(to, from, size, crc, stores);
}

#endif

namespace {

// Sanitizers do not see streaming stores: their builds copy in the way they can check. Tests call
// the one pass itself there too.
bool should_fold() {
#if OSSMC_CAN_FOLD && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  return can_fold_crc64() && !__builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

}  // namespace

std::uint64_t copy_with_crc64(std::byte* to, const std::byte* from, std::size_t size,
                              std::uint64_t crc, Stores stores) {
  static const bool kFolds = should_fold();
  return kFolds && size >= kLeastFoldedBytes ? copy_and_fold_crc64(to, from, size, crc, stores)
                                             : copy_then_crc64(to, from, size, crc, stores);
}

}  // namespace ossmc
