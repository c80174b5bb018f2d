// NearbyBytes: what was received round a small read, for the small reads that follow it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace ossmc {

// How much of it there may be in all objects of a connector, beside the budget: it is there for
// reads that wait for nobody's memory. Thread-safe; shared by all that takes part of it.
class NearbyRoom {
 public:
  explicit NearbyRoom(std::uint64_t most_bytes) : most_bytes_(most_bytes) {}

  // At most a quarter of what is left, so that many readers have some. False: that is too little.
  bool try_take(std::uint64_t bytes);
  void give_back(std::uint64_t bytes) { used_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  const std::uint64_t most_bytes_;
  std::atomic<std::uint64_t> used_bytes_{0};  // relaxed: a count
};

// Bytes of an object from `begin` on. Written by one thread before others see it.
class NearbyBytes {
 public:
  // Null: there is no room, or no memory.
  static std::shared_ptr<NearbyBytes> make(std::shared_ptr<NearbyRoom> room, std::uint64_t begin,
                                           std::size_t size);
  ~NearbyBytes() { room_->give_back(size_); }
  NearbyBytes(const NearbyBytes&) = delete;
  NearbyBytes& operator=(const NearbyBytes&) = delete;

  std::byte* data() { return bytes_.get(); }
  std::uint64_t end() const { return begin_ + size_; }
  bool has(std::uint64_t begin, std::size_t size) const {
    return begin >= begin_ && begin - begin_ <= size_ && size <= size_ - (begin - begin_);
  }
  // REQUIRES: has() them.
  std::span<const std::byte> at(std::uint64_t begin, std::size_t size) const {
    return {bytes_.get() + (begin - begin_), size};
  }
  // All of them from there on. REQUIRES: has(begin, 1).
  std::span<const std::byte> from(std::uint64_t begin) const {
    return at(begin, static_cast<std::size_t>(end() - begin));
  }

 private:
  NearbyBytes(std::shared_ptr<NearbyRoom> room, std::uint64_t begin, std::size_t size,
              std::unique_ptr<std::byte[]> bytes)
      : room_(std::move(room)), begin_(begin), size_(size), bytes_(std::move(bytes)) {}

  const std::shared_ptr<NearbyRoom> room_;
  const std::uint64_t begin_;
  const std::size_t size_;
  const std::unique_ptr<std::byte[]> bytes_;
};

// Those of an object that came last. Two: a line may begin in one and end in the other. Guarded by
// whoever owns it.
class LastNearbyBytes {
 public:
  void add(std::shared_ptr<const NearbyBytes> bytes) {
    before_ = std::exchange(last_, std::move(bytes));
  }
  // Makes room for the next.
  void drop_older() { before_ = nullptr; }
  void clear() { before_ = last_ = nullptr; }
  bool empty() const { return last_ == nullptr && before_ == nullptr; }
  // Who has the byte at `offset`; null: nobody.
  std::shared_ptr<const NearbyBytes> at(std::uint64_t offset) const {
    for (const auto& bytes : {&last_, &before_})
      if (*bytes != nullptr && (*bytes)->has(offset, 1)) return *bytes;
    return nullptr;
  }

 private:
  std::shared_ptr<const NearbyBytes> last_;  // null: none
  std::shared_ptr<const NearbyBytes> before_;
};

}  // namespace ossmc
