#include "prefetch/read_pattern.h"

#include <algorithm>

namespace ossmc {

namespace {
constexpr std::uint64_t kMostAheadChunks = 1u << 20;
}  // namespace

ColdRead ReadPattern::on_cold_read(std::uint64_t begin, std::uint64_t end,
                                   std::uint32_t chunk_bytes) {
  ColdRead read;
  if (follows(begin, end)) {
    const std::uint64_t row_bytes = row_bytes_;
    row_bytes_ += end - row_end_;
    jumps_ = 0;
    read.follows = true;
    read.window_bytes = std::clamp(row_bytes, kLeastWindowBytes, kMostWindowBytes);
    read.reads_ahead = row_bytes >= std::min<std::uint64_t>(kMostWindowBytes, chunk_bytes);
    read.way = ColdRead::Way::kWindow;
    if (read.reads_ahead) read.way = ColdRead::Way::kChunks;
  } else {
    ++jumps_;
    row_bytes_ = end - begin;
    ahead_chunks_ = 1;
  }
  has_read_ = true;
  row_end_ = end;
  return read;
}

void ReadPattern::on_window(std::uint64_t end) {
  if (end <= row_end_) return;
  row_bytes_ += end - row_end_;
  row_end_ = end;
}

bool ReadPattern::on_chunk_read(std::uint64_t begin, std::uint64_t end) {
  if (has_read_ && row_end_ == end) return false;  // told a second time
  const bool is_next = !has_read_ || (row_end_ + kSkipBytes >= begin && row_end_ < end);
  if (is_next) {
    row_bytes_ += end - std::max(begin, std::min(row_end_, end));
    ahead_chunks_ = std::min(2 * ahead_chunks_, kMostAheadChunks);
  } else {
    row_bytes_ = end - begin;
    ahead_chunks_ = 1;
  }
  has_read_ = true;
  row_end_ = end;
  return is_next;
}

}  // namespace ossmc
