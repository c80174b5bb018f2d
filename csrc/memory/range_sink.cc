#include "memory/range_sink.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "base/crc64.h"
#include "memory/copy_with_crc64.h"
#include "memory/streaming_copy.h"

namespace ossmc {

RangeSink::RangeSink(std::uint32_t length, std::vector<SinkPart> parts,
                     std::shared_ptr<LentMemory> memory)
    : length_(length), parts_(std::move(parts)), memory_(std::move(memory)) {}

void RangeSink::set_target(std::uint32_t length, std::byte* to) {
  assert(filled() == 0);
  length_ = length;
  parts_ = {{0, length, to}};
}

void RangeSink::append(const std::byte* bytes, std::size_t size, bool with_crc) {
  assert(size <= writer_room());
  const std::uint32_t begin = filled();
  const auto end = static_cast<std::uint32_t>(begin + size);
  const bool is_lent = memory_->enter();
  // Nearly always one buffer takes all: one pass.
  const bool is_one =
      is_lent && parts_.size() == 1 && parts_[0].begin <= begin && end <= parts_[0].end;
  if (is_one && with_crc) {
    crc_ = copy_with_crc64(parts_[0].to + (begin - parts_[0].begin), bytes, size, crc_,
                           Stores::kOrdinary);
  } else {
    if (with_crc) crc_ = crc64_update(crc_, bytes, size);
    if (is_lent) copy_parts(bytes, begin, end);
  }
  if (is_lent) memory_->leave();
  filled_.store(end, std::memory_order_relaxed);
}

void RangeSink::copy_parts(const std::byte* bytes, std::uint32_t begin, std::uint32_t end) {
  while (first_part_ < parts_.size() && parts_[first_part_].end <= begin) ++first_part_;
  for (std::size_t i = first_part_; i < parts_.size() && parts_[i].begin < end; ++i) {
    const SinkPart& part = parts_[i];
    const std::uint32_t from = std::max(part.begin, begin);
    const std::uint32_t to = std::min(part.end, end);
    if (from < to) std::memcpy(part.to + (from - part.begin), bytes + (from - begin), to - from);
  }
}

void RangeSink::restart() {
  filled_.store(0, std::memory_order_relaxed);
  crc_ = 0;
  first_part_ = 0;
}

}  // namespace ossmc
