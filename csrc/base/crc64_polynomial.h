// Arithmetic modulo the polynomial of CRC-64 (base/crc64.h), for who joins or folds CRCs.
#pragma once

#include <cstdint>

namespace ossmc {

// Polynomials over GF(2) are held reflected: the top bit is the coefficient of x^0, the lowest that
// of x^63.
inline constexpr std::uint64_t kCrc64Polynomial = 0xC96C5795D7870F42u;
inline constexpr std::uint64_t kCrc64One = std::uint64_t{1} << 63;

// a * b.
constexpr std::uint64_t crc64_multiply(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  for (std::uint64_t bit = kCrc64One; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b >> 1) ^ ((b & 1) != 0 ? kCrc64Polynomial : 0);  // b * x
  }
  return product;
}

// x^n.
constexpr std::uint64_t crc64_power(std::uint64_t n) {
  std::uint64_t power = kCrc64One;
  for (std::uint64_t square = kCrc64One >> 1; n != 0; n >>= 1) {
    if ((n & 1) != 0) power = crc64_multiply(power, square);
    square = crc64_multiply(square, square);
  }
  return power;
}

}  // namespace ossmc
