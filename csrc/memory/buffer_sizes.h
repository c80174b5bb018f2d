// BufferSizes: how large the buffer for so many bytes is, and on which shelf of the pool it lies.
//
// A full chunk gets a slot; less gets a buffer to measure, so that a small object does not hold a
// large one's pages. Those come in 8 sizes from one power of two to the next, so that a freed one
// fits others: at most 1/8 of it is without use. What would be as large as a slot is a slot.
#pragma once

#include <cstddef>

namespace ossmc {

// Constant; any threads.
class BufferSizes {
 public:
  static constexpr std::size_t kCacheLineBytes = 64;
  static constexpr std::size_t kNoShelf = static_cast<std::size_t>(-1);

  // `slot_bytes`: the length of a full chunk. `page_bytes`: a power of two.
  BufferSizes(std::size_t slot_bytes, std::size_t page_bytes);

  // Whole cache lines, or whole pages where is_mapped(). REQUIRES: bytes <= slot_bytes.
  std::size_t size_for(std::size_t bytes) const;
  std::size_t slot_size() const { return slot_size_; }
  // Has pages of its own; smaller ones come from malloc.
  bool is_mapped(std::size_t size) const { return size >= min_mapped_bytes_; }
  // Where free buffers of this size are kept for reuse. kNoShelf: they are not. REQUIRES: `size` is
  // a result of size_for().
  std::size_t shelf_of(std::size_t size) const;
  std::size_t shelf_count() const { return shelf_of(slot_size_) + 1; }

 private:
  std::size_t measured_size(std::size_t bytes) const;

  std::size_t min_mapped_bytes_;
  std::size_t slot_size_;
};

}  // namespace ossmc
