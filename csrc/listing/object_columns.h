// ObjectColumns: a listing, kept as columns: about 46 bytes a row besides the key.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/list_reply.h"

namespace ossmc {

// Owns everything. Filled by one thread; afterwards moved into a shared_ptr<const ObjectColumns>
// and read by any. One that was moved from may only be destroyed or assigned to.
class ObjectColumns {
 public:
  ObjectColumns() = default;
  ObjectColumns(ObjectColumns&&) noexcept = default;
  ObjectColumns& operator=(ObjectColumns&&) noexcept = default;
  ObjectColumns(const ObjectColumns&) = delete;
  ObjectColumns& operator=(const ObjectColumns&) = delete;

  // REQUIRES: object.size fits an int64.
  void append(const ListedObject& object);
  // Gives back the room kept for growth; after the last append.
  void shrink_to_fit();

  std::size_t size() const { return sizes_.size(); }
  bool empty() const { return sizes_.empty(); }

  // REQUIRES of all below: i < size().
  ListedObject row(std::size_t i) const;
  std::string_view key(std::size_t i) const {
    const auto begin = static_cast<std::size_t>(key_offsets_[i]);
    return {key_bytes_.data() + begin, static_cast<std::size_t>(key_offsets_[i + 1]) - begin};
  }
  std::uint64_t object_size(std::size_t i) const { return static_cast<std::uint64_t>(sizes_[i]); }
  double last_modified_unix(std::size_t i) const { return last_modified_[i]; }
  std::string etag(std::size_t i) const;
  const std::string& storage_class(std::size_t i) const {
    return storage_classes_[storage_class_ids_[i]];
  }

  // The columns themselves, for buffers without a copy. Key i is key_bytes()[key_offsets()[i],
  // key_offsets()[i + 1]).
  std::string_view key_bytes() const { return key_bytes_; }
  std::span<const std::int64_t> key_offsets() const { return key_offsets_; }  // size() + 1
  std::span<const std::int64_t> sizes() const { return sizes_; }

  // Keys strictly increasing as unsigned bytes, so that none is there twice.
  bool is_strictly_sorted() const;
  // What the columns hold of the heap, room for growth included.
  std::size_t heap_bytes() const;

 private:
  // An ETag is nearly always an MD5 in hex, with "-parts" behind it after a multipart upload: 16
  // bytes and a word. Any other text goes to the arena, and the 16 bytes say where.
  enum EtagForm : std::uint32_t { kUpperHex = 0, kLowerHex = 1u << 30, kArena = 2u << 30 };
  static constexpr std::uint32_t kPartsMask = (1u << 30) - 1;  // 0: no suffix
  using EtagBytes = std::array<std::uint8_t, 16>;

  void append_etag(std::string_view etag);
  std::uint32_t storage_class_id(const std::string& name);

  std::string key_bytes_;
  std::vector<std::int64_t> key_offsets_{0};
  std::vector<std::int64_t> sizes_;
  std::vector<double> last_modified_;
  std::vector<EtagBytes> etag_bytes_;
  std::vector<std::uint32_t> etag_words_;  // EtagForm and number of parts
  std::string etag_arena_;
  std::vector<std::uint32_t> storage_class_ids_;
  std::vector<std::string> storage_classes_;  // by id
  std::map<std::string, std::uint32_t, std::less<>> storage_class_index_;
};

}  // namespace ossmc
