#include "memory/buffer_sizes.h"

#include <algorithm>
#include <bit>

#include "memory/mapping.h"

namespace ossmc {

namespace {

// Each mapping of its own counts against vm.max_map_count (65530), which the whole process shares:
// at this size 16 GiB of them fit even if no two neighbours merge.
constexpr std::size_t kMinMappedBytes = 256u << 10;

constexpr std::size_t kSizesPerDoubling = 8;

}  // namespace

// Where pages are larger than 32 KiB, the 8 sizes begin at one of which they all are whole pages.
BufferSizes::BufferSizes(std::size_t slot_bytes, std::size_t page_bytes)
    : min_mapped_bytes_(std::max(kMinMappedBytes, kSizesPerDoubling * page_bytes)),
      slot_size_(round_up(std::max<std::size_t>(slot_bytes, 1), kCacheLineBytes)) {
  if (is_mapped(slot_size_)) slot_size_ = round_up(slot_size_, page_bytes);
}

std::size_t BufferSizes::measured_size(std::size_t bytes) const {
  const std::size_t size = round_up(std::max<std::size_t>(bytes, 1), kCacheLineBytes);
  return is_mapped(size) ? round_up(size, std::bit_floor(size) / kSizesPerDoubling) : size;
}

std::size_t BufferSizes::size_for(std::size_t bytes) const {
  return std::min(measured_size(bytes), slot_size_);
}

std::size_t BufferSizes::shelf_of(std::size_t size) const {
  if (!is_mapped(size)) return size == slot_size_ ? 0 : kNoShelf;
  // A slot need not be one of the sizes to measure. It has the shelf of the next one, which no
  // other buffer has: what is measured so large is a slot.
  const std::size_t measured = measured_size(size);
  const std::size_t base = std::bit_floor(measured);
  const auto doublings =
      static_cast<std::size_t>(std::countr_zero(base) - std::countr_zero(min_mapped_bytes_));
  return doublings * kSizesPerDoubling + (measured - base) / (base / kSizesPerDoubling);
}

}  // namespace ossmc
