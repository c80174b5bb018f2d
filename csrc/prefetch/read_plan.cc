#include "prefetch/read_plan.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace ossmc {

std::vector<PlannedPiece> plan_pieces(std::vector<WantedRange> ranges, std::uint32_t chunk_bytes,
                                      std::uint64_t most_gap_bytes) {
  const auto place = [](const WantedRange& range) {
    return std::tuple(range.object, range.offset);
  };
  std::sort(ranges.begin(), ranges.end(), [&](const WantedRange& one, const WantedRange& other) {
    return place(one) < place(other);
  });
  std::vector<PlannedPiece> pieces;
  for (auto [object, offset, to] : ranges) {
    while (!to.empty()) {
      const std::uint64_t index = offset / chunk_bytes;
      const auto begin = static_cast<std::uint32_t>(offset % chunk_bytes);
      const auto size =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(to.size(), chunk_bytes - begin));
      const std::uint32_t end = begin + size;
      // Ranges may overlap: one may begin in a chunk before that in which the one before it ends.
      std::size_t at = pieces.size();
      while (at > 0 && pieces[at - 1].object == object && pieces[at - 1].index > index) --at;
      const bool merges = at > 0 && pieces[at - 1].object == object &&
                          pieces[at - 1].index == index &&
                          begin <= pieces[at - 1].end + most_gap_bytes;
      if (merges) {
        PlannedPiece& piece = pieces[at - 1];
        piece.parts.push_back({begin - piece.begin, end - piece.begin, to.data()});
        piece.end = std::max(piece.end, end);
      } else {
        pieces.push_back({object, index, begin, end, {{0, size, to.data()}}});
      }
      offset += size;
      to = to.subspan(size);
    }
  }
  return pieces;
}

}  // namespace ossmc
