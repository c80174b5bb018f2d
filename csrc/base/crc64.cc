#include "base/crc64.h"

#include <isa-l/crc64.h>

#include <array>

#include "base/crc64_polynomial.h"

namespace ossmc {

namespace {

// kPowers[n] = x^(8 * 2^n): what 2^n more bytes multiply a CRC by. 64 of them reach any length.
constexpr std::array<std::uint64_t, 64> kPowers = [] {
  std::array<std::uint64_t, 64> powers{};
  powers[0] = crc64_power(8);
  for (std::size_t n = 1; n < powers.size(); ++n) {
    powers[n] = crc64_multiply(powers[n - 1], powers[n - 1]);
  }
  return powers;
}();

}  // namespace

// ISA-L inverts the value on the way in and on the way out, so 0 starts a CRC and a CRC continues
// itself.
std::uint64_t crc64_update(std::uint64_t crc, const void* data, std::size_t size) {
  return ::crc64_ecma_refl(crc, static_cast<const unsigned char*>(data), size);
}

// As in zlib's crc32_combine: with the same value for start and final xor, the two inversions
// cancel out, and appending B is to multiply A's CRC by x^(8 * size_b) and add B's.
std::uint64_t crc64_combine(std::uint64_t crc_a, std::uint64_t crc_b, std::uint64_t size_b) {
  for (std::size_t n = 0; size_b != 0; ++n, size_b >>= 1) {
    if ((size_b & 1) != 0) crc_a = crc64_multiply(kPowers[n], crc_a);
  }
  return crc_a ^ crc_b;
}

}  // namespace ossmc
