// ObjectColumns: a listing, kept as columns: 48 bytes a row besides the key.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "listing/column.h"
#include "protocol/list_reply.h"

namespace ossmc {

// Rows start, start + step, ...: what a slice of a list is. The step may be negative.
struct RowRange {
  std::int64_t start = 0;
  std::int64_t step = 1;
  std::size_t count = 0;

  std::size_t row(std::size_t i) const {
    return static_cast<std::size_t>(start + static_cast<std::int64_t>(i) * step);
  }
  // Every row of it is one of `rows`.
  bool is_within(std::size_t rows) const;
};

// Owns everything. Filled by one thread; afterwards moved into a shared_ptr<const ObjectColumns>
// and read by any. One that was moved from may only be destroyed or assigned to.
class ObjectColumns {
 public:
  // An ETag is nearly always an MD5 in hex, with "-parts" behind it after a multipart upload: 16
  // bytes and a word. Any other text goes to the arena, and the 16 bytes say where.
  enum EtagForm : std::uint32_t { kUpperHex = 0, kLowerHex = 1u << 30, kArena = 2u << 30 };
  static constexpr std::uint32_t kPartsMask = (1u << 30) - 1;  // 0: no suffix
  using EtagBytes = std::array<std::uint8_t, 16>;
  struct PackedEtag {
    EtagBytes bytes;
    std::uint32_t word;  // EtagForm and number of parts

    bool is_whole() const { return (word & ~kPartsMask) != kArena; }
    std::string text() const;  // REQUIRES: is_whole()
  };

  ObjectColumns() { key_offsets_.push_back(0); }
  ObjectColumns(ObjectColumns&&) noexcept = default;
  ObjectColumns& operator=(ObjectColumns&&) noexcept = default;
  ObjectColumns(const ObjectColumns&) = delete;
  ObjectColumns& operator=(const ObjectColumns&) = delete;

  // REQUIRES: object.size fits an int64.
  void append(const ListedObject& object);
  // Rows [begin, end) of `from`, a column at a time. REQUIRES: begin <= end <= from.size(), `from`
  // is not this.
  void append_rows(const ObjectColumns& from, std::size_t begin, std::size_t end);
  // In all keys. REQUIRES: `from` and `to` are ASCII.
  void replace_in_keys(char from, char to);
  // Gives back the room kept for growth; after the last append.
  void shrink_to_fit();

  std::size_t size() const { return sizes_.size(); }
  bool empty() const { return sizes_.empty(); }

  // REQUIRES of all below: i < size().
  std::string_view key(std::size_t i) const {
    const auto begin = static_cast<std::size_t>(key_offsets_[i]);
    return {key_bytes_.data() + begin, static_cast<std::size_t>(key_offsets_[i + 1]) - begin};
  }
  std::uint64_t object_size(std::size_t i) const { return static_cast<std::uint64_t>(sizes_[i]); }
  double last_modified_unix(std::size_t i) const { return last_modified_[i]; }
  std::string etag(std::size_t i) const;
  PackedEtag packed_etag(std::size_t i) const { return {etag_bytes_[i], etag_words_[i]}; }
  std::uint32_t storage_class_id(std::size_t i) const { return storage_class_ids_[i]; }
  const std::string& storage_class_name(std::uint32_t id) const { return storage_classes_[id]; }
  const std::string& storage_class(std::size_t i) const {
    return storage_class_name(storage_class_id(i));
  }

  // The columns themselves, for buffers without a copy. Key i is key_bytes()[key_offsets()[i],
  // key_offsets()[i + 1]).
  std::string_view key_bytes() const { return {key_bytes_.data(), key_bytes_.size()}; }
  std::span<const std::int64_t> key_offsets() const { return key_offsets_.span(); }  // size() + 1
  std::span<const std::int64_t> sizes() const { return sizes_.span(); }

  // All columns, as they lie in memory: what a listing is pickled as.
  struct Parts {
    std::string_view key_bytes, key_offsets, sizes, last_modified, etag_bytes, etag_words,
        etag_arena, storage_class_ids;
    std::vector<std::string> storage_classes;
  };
  Parts parts() const;
  // kInvalidArgument: not what parts() of any listing could be. Whatever comes is checked.
  static Result<ObjectColumns> from_parts(const Parts& parts);

  // Keys strictly increasing as unsigned bytes, so that none is there twice.
  bool is_strictly_sorted() const;
  // Below: REQUIRES rows.is_within(size()).
  // A copy of these rows.
  ObjectColumns select(const RowRange& rows) const;
  // The same of any rows, in the order given. REQUIRES: each < size().
  ObjectColumns gathered(std::span<const std::size_t> rows) const;
  // The same by key, as unsigned bytes; rows with equal keys keep their order.
  ObjectColumns sorted(const RowRange& rows) const;
  // The first i for which row rows.row(i) has the key `wanted`, or rows.count.
  std::size_t find(const RowRange& rows, std::string_view wanted) const;
  // The same rows, field by field. REQUIRES: both ranges of the same length.
  static bool same_rows(const ObjectColumns& a, const RowRange& a_rows, const ObjectColumns& b,
                        const RowRange& b_rows);

  // What the columns hold of the heap, room for growth included.
  std::size_t heap_bytes() const;

 private:
  struct ArenaPlace {
    std::uint64_t offset, size;
  };
  static_assert(sizeof(ArenaPlace) == sizeof(EtagBytes));

  void append_etag(std::string_view etag);
  std::uint32_t id_of_storage_class(std::string_view name);  // quick where it is the last row's
  std::uint32_t id_of_name(std::string_view name);
  bool is_in_arena(std::size_t i) const { return (etag_words_[i] & ~kPartsMask) == kArena; }
  // Completes our row `row`, copied from row i of `from`, if its ETag lies in the arena there.
  void take_arena_etag(std::size_t row, const ObjectColumns& from, std::size_t i);
  std::string_view arena_etag(std::size_t i) const;
  bool same_etag(std::size_t i, const ObjectColumns& other, std::size_t j) const;
  std::vector<std::size_t> sorted_order(const RowRange& rows) const;

  Column<char> key_bytes_;
  Column<std::int64_t> key_offsets_;
  Column<std::int64_t> sizes_;
  Column<double> last_modified_;
  Column<EtagBytes> etag_bytes_;
  Column<std::uint32_t> etag_words_;
  Column<char> etag_arena_;
  Column<std::uint32_t> storage_class_ids_;
  std::vector<std::string> storage_classes_;  // by id
  std::map<std::string, std::uint32_t, std::less<>> storage_class_index_;
};

}  // namespace ossmc
