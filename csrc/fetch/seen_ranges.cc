#include "fetch/seen_ranges.h"

#include <algorithm>
#include <utility>

#include "base/crc64.h"

namespace ossmc {

SeenRanges::SeenRanges(std::vector<SeenRange> ranges)
    : ranges_(std::move(ranges)), running_(ranges_.size()) {}

bool SeenRanges::pass(std::uint32_t begin, const std::byte* bytes, std::size_t size) {
  const auto end = static_cast<std::uint32_t>(begin + size);
  bool is_same = true;
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    const std::uint32_t from = std::max(ranges_[i].begin, begin);
    const std::uint32_t to = std::min(ranges_[i].end, end);
    if (from >= to) continue;
    running_[i] = crc64_update(running_[i], bytes + (from - begin), to - from);
    is_same = is_same && (to < ranges_[i].end || running_[i] == ranges_[i].crc);
  }
  return is_same;
}

void SeenRanges::restart() { std::fill(running_.begin(), running_.end(), 0); }

}  // namespace ossmc
