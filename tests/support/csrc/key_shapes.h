// Key shapes: the keys of a bucket as a function of their number, for listings of any size.
//
// A shape knows key number i in byte order, and how many keys are not behind a name, without any
// memory for the keys: 100 million of them are listed as easily as ten. The same name and size are
// always the same keys.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ossmc {

// What is asked of a shape: "even" ones are those that any way of cutting should find easy.
struct KeyShapeName {
  std::string_view name;
  bool is_even;
};
const std::vector<KeyShapeName>& key_shape_names();

// Immutable, so threads may share one.
class KeyShape {
 public:
  KeyShape(std::string_view name, std::uint64_t size) : name_(name), size_(size) {}
  virtual ~KeyShape() = default;
  KeyShape(const KeyShape&) = delete;
  KeyShape& operator=(const KeyShape&) = delete;

  const std::string& name() const { return name_; }
  std::uint64_t size() const { return size_; }
  // What is listed; all keys begin with it.
  virtual const std::string& prefix() const = 0;

  // Puts key number `index` in byte order behind what `out` holds. REQUIRES: index < size().
  virtual void append_key(std::uint64_t index, std::string& out) const = 0;
  std::string key(std::uint64_t index) const;
  // The number of the first key strictly behind `after`; size(): there is none.
  std::uint64_t first_behind(std::string_view after) const;

 private:
  const std::string name_;
  const std::uint64_t size_;
};

// REQUIRES: `name` is one of key_shape_names(), and `size` at most 100 million.
std::unique_ptr<KeyShape> make_key_shape(std::string_view name, std::uint64_t size);

// Some keys of a shape, in byte order. Its memory serves the next page.
class KeyPage {
 public:
  // At most `limit` keys strictly behind `after`.
  void fill(const KeyShape& shape, std::string_view after, std::uint64_t limit);
  // The keys with these numbers, which increase; `is_truncated` as the caller knows it.
  void fill(const KeyShape& shape, std::vector<std::uint64_t> indices, bool is_truncated);

  const std::vector<std::string_view>& keys() const { return keys_; }
  const std::vector<std::uint64_t>& indices() const { return indices_; }
  bool is_truncated() const { return is_truncated_; }

 private:
  std::string bytes_;
  std::vector<std::size_t> ends_;
  std::vector<std::string_view> keys_;
  std::vector<std::uint64_t> indices_;
  bool is_truncated_ = false;
};

}  // namespace ossmc
