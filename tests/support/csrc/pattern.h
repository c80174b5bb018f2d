// Pattern data: bytes that follow from (seed, offset) alone, so that a test checks any slice of any
// object without keeping a copy. Neighbouring words and neighbouring seeds share nothing: data from
// a wrong place is found out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace ossmc {

// The eight bytes at offset 8 * index, lowest first.
inline std::uint64_t pattern_word(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t z = (seed + 1) * 0xD1342543DE82EF95u + (index + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

// Calls visit(bytes, size) for each piece (at most 8 bytes) of [begin, begin + size), in order,
// until it returns false.
template <typename Visit>
bool visit_pattern(std::uint64_t seed, std::uint64_t begin, std::size_t size, Visit visit) {
  while (size != 0) {
    std::uint64_t word = pattern_word(seed, begin / 8);
    unsigned char bytes[8];
    for (unsigned char& byte : bytes) {
      byte = static_cast<unsigned char>(word);
      word >>= 8;
    }
    const std::size_t skip = static_cast<std::size_t>(begin % 8);
    const std::size_t piece = size < 8 - skip ? size : 8 - skip;
    if (!visit(bytes + skip, piece)) return false;
    begin += piece;
    size -= piece;
  }
  return true;
}

inline void fill_pattern(void* out, std::uint64_t seed, std::uint64_t begin, std::size_t size) {
  auto* position = static_cast<unsigned char*>(out);
  visit_pattern(seed, begin, size, [&](const unsigned char* bytes, std::size_t piece) {
    std::memcpy(position, bytes, piece);
    position += piece;
    return true;
  });
}

inline bool matches_pattern(const void* data, std::uint64_t seed, std::uint64_t begin,
                            std::size_t size) {
  const auto* position = static_cast<const unsigned char*>(data);
  return visit_pattern(seed, begin, size, [&](const unsigned char* bytes, std::size_t piece) {
    if (std::memcmp(position, bytes, piece) != 0) return false;
    position += piece;
    return true;
  });
}

inline std::string pattern_string(std::uint64_t seed, std::uint64_t begin, std::size_t size) {
  std::string text(size, '\0');
  fill_pattern(text.data(), seed, begin, size);
  return text;
}

}  // namespace ossmc
