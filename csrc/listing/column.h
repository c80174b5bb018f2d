// Column: an array of plain values that grows by realloc.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace ossmc {

// Owns its values. Used by one thread at a time; read by many once it no longer changes.
//
// Not std::vector: growing one copies into a new block while the old one is still there, three
// times the memory at the worst moment. realloc() moves big blocks by page tables (mremap), and the
// room kept for growth takes no memory until it is written to. Values are not initialised: whoever
// makes room fills it.
template <typename T>
class Column {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  Column() = default;
  ~Column() { std::free(data_); }
  Column(Column&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Column& operator=(Column&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  Column(const Column&) = delete;
  Column& operator=(const Column&) = delete;

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::size_t capacity_bytes() const { return capacity_ * sizeof(T); }
  const T* data() const { return data_; }
  T* data() { return data_; }
  // REQUIRES: i < size().
  const T& operator[](std::size_t i) const { return data_[i]; }
  T& operator[](std::size_t i) { return data_[i]; }
  // REQUIRES: !empty().
  const T& back() const { return data_[size_ - 1]; }
  std::span<const T> span() const { return {data_, size_}; }

  void push_back(T value) {  // by value: it may be one of our own
    if (size_ == capacity_) grow(size_ + 1);
    data_[size_++] = value;
  }
  // Room for `count` more at the end, its content not set. Valid until the next change.
  T* extend(std::size_t count) {
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T) - size_) throw std::bad_alloc();
    if (size_ + count > capacity_) grow(size_ + count);
    T* const room = data_ + size_;
    size_ += count;
    return room;
  }
  // REQUIRES: `values` are not our own.
  void append(std::span<const T> values) {
    if (values.empty()) return;
    std::memcpy(extend(values.size()), values.data(), values.size_bytes());
  }
  // Room for `count` in all, and no more than that.
  void reserve(std::size_t count) {
    if (count > capacity_) set_capacity(count);
  }
  void shrink_to_fit() {
    if (capacity_ > size_) set_capacity(size_);
  }

 private:
  void grow(std::size_t least) { set_capacity(std::max(least, capacity_ + capacity_ / 2 + 16)); }

  void set_capacity(std::size_t capacity) {
    if (capacity == 0) {  // realloc() of nothing may free or not
      std::free(std::exchange(data_, nullptr));
      capacity_ = 0;
      return;
    }
    if (capacity > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_alloc();
    void* const moved = std::realloc(static_cast<void*>(data_), capacity * sizeof(T));
    if (moved == nullptr) throw std::bad_alloc();
    data_ = static_cast<T*>(moved);
    capacity_ = capacity;
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace ossmc
