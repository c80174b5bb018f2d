// SeenRanges: parts of a chunk that callers have had already, by their CRC-64. When the chunk comes
// again it must bring the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ossmc {

// The first `bytes` of a chunk, which callers may have had already from an earlier fetch.
struct SeenBytes {
  std::uint32_t bytes = 0;
  std::uint64_t crc = 0;  // CRC-64 of them
};

// Bytes [begin, end) of a chunk.
struct SeenRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::uint64_t crc = 0;
};

// Used by one thread.
class SeenRanges {
 public:
  explicit SeenRanges(std::vector<SeenRange> ranges);

  bool empty() const { return ranges_.empty(); }
  // The chunk's bytes from `begin` on, in order without a gap. False: a range that ends in them has
  // other bytes than those that were seen.
  bool pass(std::uint32_t begin, const std::byte* bytes, std::size_t size);
  void restart();  // from the chunk's first byte

 private:
  std::vector<SeenRange> ranges_;
  std::vector<std::uint64_t> running_;  // CRC of what has passed, of each
};

}  // namespace ossmc
