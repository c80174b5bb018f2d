// ReadPlan: which bytes of which objects go where, and by which requests they come. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "memory/range_sink.h"

namespace ossmc {

// Bytes of an object from `offset` on, for as long as `to` is.
struct WantedRange {
  std::size_t object = 0;  // the caller's number for it
  std::uint64_t offset = 0;
  std::span<std::byte> to;
};

// A part of one chunk: bytes [begin, end) of it, some of them wanted.
struct PlannedPiece {
  std::size_t object = 0;
  std::uint64_t index = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::vector<SinkPart> parts;  // from `begin` on, in order
};

// Cuts ranges at chunks, and makes one piece of those in a chunk between which lie at most
// `most_gap_bytes` that nobody wants. In the order of object and offset, whatever that of `ranges`;
// empty ones vanish.
std::vector<PlannedPiece> plan_pieces(std::vector<WantedRange> ranges, std::uint32_t chunk_bytes,
                                      std::uint64_t most_gap_bytes);

}  // namespace ossmc
