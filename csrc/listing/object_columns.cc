#include "listing/object_columns.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "base/utf8.h"

namespace ossmc {

namespace {

constexpr std::size_t kMd5HexChars = 32;
constexpr char kUpperDigits[] = "0123456789ABCDEF";
constexpr char kLowerDigits[] = "0123456789abcdef";

using HexTable = std::array<std::uint8_t, 256>;
constexpr std::uint8_t kNoDigit = 0xF0;

constexpr HexTable hex_table(const char* digits) {
  HexTable table{};
  table.fill(kNoDigit);
  for (std::uint8_t i = 0; i < 16; ++i) table[static_cast<unsigned char>(digits[i])] = i;
  return table;
}

constexpr HexTable kUpperValues = hex_table(kUpperDigits);
constexpr HexTable kLowerValues = hex_table(kLowerDigits);

// REQUIRES: 32 characters.
bool decode_md5(std::string_view hex, const HexTable& values, ObjectColumns::EtagBytes* out) {
  unsigned seen = 0;
  for (std::size_t i = 0; i < out->size(); ++i) {
    const unsigned high = values[static_cast<unsigned char>(hex[2 * i])];
    const unsigned low = values[static_cast<unsigned char>(hex[2 * i + 1])];
    seen |= high | low;
    (*out)[i] = static_cast<std::uint8_t>((high << 4 | low) & 0xFF);
  }
  return (seen & kNoDigit) == 0;
}

// "-17" gives 17, "" gives 0. False for whatever would not print as the same text again.
bool parse_parts(std::string_view suffix, std::uint32_t limit, std::uint32_t* parts) {
  *parts = 0;
  if (suffix.empty()) return true;
  if (suffix.size() < 2 || suffix[0] != '-' || suffix[1] < '1' || suffix[1] > '9') return false;
  const char* end = suffix.data() + suffix.size();
  const auto [stop, error] = std::from_chars(suffix.data() + 1, end, *parts);
  return error == std::errc() && stop == end && *parts <= limit;
}

template <typename T>
std::string_view memory_of(const Column<T>& column) {
  return {reinterpret_cast<const char*>(column.data()), column.size() * sizeof(T)};
}

// Sets `column` to what lies in `memory`. False: not a whole number of values, or not `count`.
template <typename T>
bool restore(std::string_view memory, std::size_t count, Column<T>* column) {
  if (memory.size() / sizeof(T) != count || memory.size() % sizeof(T) != 0) return false;
  if (count == 0) return true;
  column->reserve(count);
  std::memcpy(static_cast<void*>(column->extend(count)), memory.data(), memory.size());
  return true;
}

// The bytes [skip, skip + 8) of a key, zeros behind its end: in the order of the keys, as far as it
// goes.
std::uint64_t leading_bytes(std::string_view key, std::size_t skip) {
  std::uint64_t value = 0;
  for (std::size_t i = skip; i < skip + 8; ++i) {
    value = value << 8 | (i < key.size() ? static_cast<unsigned char>(key[i]) : 0);
  }
  return value;
}

}  // namespace

bool RowRange::is_within(std::size_t rows) const {
  if (count == 0) return true;
  if (start < 0 || static_cast<std::uint64_t>(start) >= rows) return false;
  if (count == 1) return true;
  if (step == 0) return false;
  const auto begin = static_cast<std::uint64_t>(start);
  const std::uint64_t stride =
      step > 0 ? static_cast<std::uint64_t>(step) : 0 - static_cast<std::uint64_t>(step);
  return count - 1 <= (step > 0 ? rows - 1 - begin : begin) / stride;
}

void ObjectColumns::append(const ListedObject& object) {
  assert(object.size <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
  key_bytes_.append(object.key);
  key_offsets_.push_back(static_cast<std::int64_t>(key_bytes_.size()));
  sizes_.push_back(static_cast<std::int64_t>(object.size));
  last_modified_.push_back(object.last_modified_unix);
  append_etag(object.etag);
  storage_class_ids_.push_back(id_of_storage_class(object.storage_class));
}

void ObjectColumns::append_rows(const ObjectColumns& from, std::size_t begin, std::size_t end) {
  assert(&from != this && begin <= end && end <= from.size());
  const std::size_t count = end - begin;
  if (count == 0) return;
  const std::int64_t first_byte = from.key_offsets_[begin];
  const std::int64_t shift = static_cast<std::int64_t>(key_bytes_.size()) - first_byte;
  key_bytes_.append(from.key_bytes_.span().subspan(
      static_cast<std::size_t>(first_byte),
      static_cast<std::size_t>(from.key_offsets_[end] - first_byte)));
  std::int64_t* const offsets = key_offsets_.extend(count);
  for (std::size_t i = 0; i < count; ++i) offsets[i] = from.key_offsets_[begin + 1 + i] + shift;
  sizes_.append(from.sizes_.span().subspan(begin, count));
  last_modified_.append(from.last_modified_.span().subspan(begin, count));
  const std::size_t old_size = etag_words_.size();
  etag_bytes_.append(from.etag_bytes_.span().subspan(begin, count));
  etag_words_.append(from.etag_words_.span().subspan(begin, count));
  for (std::size_t i = 0; !from.etag_arena_.empty() && i < count; ++i)
    take_arena_etag(old_size + i, from, begin + i);
  // Ids of `from` to ours, each looked up once.
  constexpr std::uint32_t kUnknown = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> ids(from.storage_classes_.size(), kUnknown);
  std::uint32_t* const out = storage_class_ids_.extend(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t theirs = from.storage_class_ids_[begin + i];
    if (ids[theirs] == kUnknown) ids[theirs] = id_of_name(from.storage_classes_[theirs]);
    out[i] = ids[theirs];
  }
}

void ObjectColumns::replace_in_keys(char from, char to) {
  std::replace(key_bytes_.data(), key_bytes_.data() + key_bytes_.size(), from, to);
}

void ObjectColumns::append_etag(std::string_view etag) {
  EtagBytes bytes{};
  std::uint32_t parts = 0;
  if (etag.size() >= kMd5HexChars && parse_parts(etag.substr(kMd5HexChars), kPartsMask, &parts)) {
    for (const EtagForm form : {kUpperHex, kLowerHex}) {
      if (decode_md5(etag, form == kUpperHex ? kUpperValues : kLowerValues, &bytes)) {
        etag_bytes_.push_back(bytes);
        etag_words_.push_back(form | parts);
        return;
      }
    }
  }
  const ArenaPlace place{etag_arena_.size(), etag.size()};
  std::memcpy(bytes.data(), &place, sizeof place);
  etag_arena_.append(etag);
  etag_bytes_.push_back(bytes);
  etag_words_.push_back(kArena);
}

void ObjectColumns::take_arena_etag(std::size_t row, const ObjectColumns& from, std::size_t i) {
  if (!from.is_in_arena(i)) return;
  const std::string_view text = from.arena_etag(i);
  const ArenaPlace place{etag_arena_.size(), text.size()};
  std::memcpy(&etag_bytes_[row], &place, sizeof place);
  etag_arena_.append(text);
}

std::string_view ObjectColumns::arena_etag(std::size_t i) const {
  ArenaPlace place;
  std::memcpy(&place, etag_bytes_[i].data(), sizeof place);
  return std::string_view(etag_arena_.data(), etag_arena_.size()).substr(place.offset, place.size);
}

std::string ObjectColumns::etag(std::size_t i) const {
  return is_in_arena(i) ? std::string(arena_etag(i)) : packed_etag(i).text();
}

std::string ObjectColumns::PackedEtag::text() const {
  const char* digits = (word & ~kPartsMask) == kUpperHex ? kUpperDigits : kLowerDigits;
  std::string text;
  text.reserve(kMd5HexChars);
  for (const std::uint8_t byte : bytes) {
    text.push_back(digits[byte >> 4]);
    text.push_back(digits[byte & 15]);
  }
  const std::uint32_t parts = word & kPartsMask;
  if (parts != 0) text.append("-").append(std::to_string(parts));
  return text;
}

bool ObjectColumns::same_etag(std::size_t i, const ObjectColumns& other, std::size_t j) const {
  // A text has one form only.
  if (etag_words_[i] != other.etag_words_[j]) return false;
  if (is_in_arena(i)) return arena_etag(i) == other.arena_etag(j);
  return etag_bytes_[i] == other.etag_bytes_[j];
}

std::uint32_t ObjectColumns::id_of_storage_class(std::string_view name) {
  if (!storage_class_ids_.empty() && storage_classes_[storage_class_ids_.back()] == name) {
    return storage_class_ids_.back();
  }
  return id_of_name(name);
}

std::uint32_t ObjectColumns::id_of_name(std::string_view name) {
  const auto found = storage_class_index_.find(name);
  if (found != storage_class_index_.end()) return found->second;
  const auto id = static_cast<std::uint32_t>(storage_classes_.size());
  storage_class_index_.emplace(name, id);
  storage_classes_.emplace_back(name);
  return id;
}

void ObjectColumns::shrink_to_fit() {
  key_bytes_.shrink_to_fit();
  key_offsets_.shrink_to_fit();
  sizes_.shrink_to_fit();
  last_modified_.shrink_to_fit();
  etag_bytes_.shrink_to_fit();
  etag_words_.shrink_to_fit();
  etag_arena_.shrink_to_fit();
  storage_class_ids_.shrink_to_fit();
}

ObjectColumns::Parts ObjectColumns::parts() const {
  return {memory_of(key_bytes_),     memory_of(key_offsets_),       memory_of(sizes_),
          memory_of(last_modified_), memory_of(etag_bytes_),        memory_of(etag_words_),
          memory_of(etag_arena_),    memory_of(storage_class_ids_), storage_classes_};
}

Result<ObjectColumns> ObjectColumns::from_parts(const Parts& parts) {
  const auto wrong = [](const char* what) {
    return Status(StatusCode::kInvalidArgument,
                  std::string("these are not the columns of a listing: ") + what);
  };
  ObjectColumns made;
  made.key_offsets_ = Column<std::int64_t>();
  const std::size_t rows = parts.sizes.size() / sizeof(std::int64_t);
  if (!restore(parts.key_bytes, parts.key_bytes.size(), &made.key_bytes_) ||
      !restore(parts.key_offsets, rows + 1, &made.key_offsets_) ||
      !restore(parts.sizes, rows, &made.sizes_) ||
      !restore(parts.last_modified, rows, &made.last_modified_) ||
      !restore(parts.etag_bytes, rows, &made.etag_bytes_) ||
      !restore(parts.etag_words, rows, &made.etag_words_) ||
      !restore(parts.etag_arena, parts.etag_arena.size(), &made.etag_arena_) ||
      !restore(parts.storage_class_ids, rows, &made.storage_class_ids_)) {
    return wrong("their lengths");
  }
  if (made.key_offsets_[0] != 0 ||
      made.key_offsets_.back() != static_cast<std::int64_t>(made.key_bytes_.size()) ||
      !std::is_sorted(made.key_offsets_.span().begin(), made.key_offsets_.span().end())) {
    return wrong("the places of the keys");
  }
  for (const std::string& name : parts.storage_classes) {
    if (made.id_of_name(name) + 1 != made.storage_classes_.size()) return wrong("a class twice");
  }
  if (made.storage_classes_.size() != parts.storage_classes.size()) return wrong("a class twice");
  for (std::size_t i = 0; i < rows; ++i) {
    if (!is_utf8(made.key(i))) return wrong("a key is not UTF-8");
    if (made.sizes_[i] < 0) return wrong("a negative size");
    if (!std::isfinite(made.last_modified_[i])) return wrong("a time");
    if (made.storage_class_ids_[i] >= made.storage_classes_.size()) return wrong("a storage class");
    const std::uint32_t form = made.etag_words_[i] & ~kPartsMask;
    if (form == kArena) {
      ArenaPlace place;
      std::memcpy(&place, made.etag_bytes_[i].data(), sizeof place);
      if (made.etag_words_[i] != kArena || place.offset > made.etag_arena_.size() ||
          place.size > made.etag_arena_.size() - place.offset) {
        return wrong("an ETag");
      }
    } else if (form != kUpperHex && form != kLowerHex) {
      return wrong("an ETag");
    }
  }
  return made;
}

bool ObjectColumns::is_strictly_sorted() const {
  for (std::size_t i = 1; i < size(); ++i) {
    // string_view compares as unsigned char.
    if (key(i - 1) >= key(i)) return false;
  }
  return true;
}

ObjectColumns ObjectColumns::select(const RowRange& rows) const {
  assert(rows.is_within(size()));
  if (rows.step == 1 && rows.count > 0) {
    ObjectColumns copy;
    copy.append_rows(*this, rows.row(0), rows.row(rows.count));
    copy.shrink_to_fit();
    return copy;
  }
  std::vector<std::size_t> order(rows.count);
  for (std::size_t i = 0; i < rows.count; ++i) order[i] = rows.row(i);
  return gathered(order);
}

ObjectColumns ObjectColumns::sorted(const RowRange& rows) const {
  assert(rows.is_within(size()));
  return gathered(sorted_order(rows));
}

std::vector<std::size_t> ObjectColumns::sorted_order(const RowRange& rows) const {
  std::vector<std::size_t> order;
  order.reserve(rows.count);
  // What a listing by pages gives: stretches in order, of which none reaches into another. Then it
  // is enough to put the stretches in order.
  struct Stretch {
    std::size_t begin, end;  // places in `rows`
  };
  std::vector<Stretch> stretches;
  for (std::size_t i = 0; i < rows.count; ++i) {
    if (stretches.empty() || key(rows.row(i - 1)) > key(rows.row(i))) stretches.push_back({i, i});
    stretches.back().end = i + 1;
    if (stretches.size() > rows.count / 16 + 1) break;
  }
  const auto first_key = [&](const Stretch& s) { return key(rows.row(s.begin)); };
  const auto last_key = [&](const Stretch& s) { return key(rows.row(s.end - 1)); };
  if (stretches.size() <= rows.count / 16 + 1) {
    // Of two with the same first key neither lies apart from the other.
    std::sort(stretches.begin(), stretches.end(),
              [&](const Stretch& a, const Stretch& b) { return first_key(a) < first_key(b); });
    bool apart = true;
    for (std::size_t i = 1; apart && i < stretches.size(); ++i) {
      apart = last_key(stretches[i - 1]) < first_key(stretches[i]);
    }
    if (apart) {
      for (const Stretch& s : stretches) {
        for (std::size_t i = s.begin; i < s.end; ++i) order.push_back(rows.row(i));
      }
      return order;
    }
  }

  // Any order. Most comparisons are settled by 8 bytes behind what all keys have in common, without
  // a look at the keys.
  struct Entry {
    std::uint64_t leading;
    std::size_t place;
  };
  if (rows.count == 0) return order;
  const std::string_view first = key(rows.row(0));
  std::size_t common = first.size();
  for (std::size_t i = 1; i < rows.count; ++i) {
    const std::string_view other = key(rows.row(i));
    common = static_cast<std::size_t>(
        std::mismatch(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(common),
                      other.begin(), other.end())
            .first -
        first.begin());
  }
  std::vector<Entry> entries(rows.count);
  for (std::size_t i = 0; i < rows.count; ++i) {
    entries[i] = {leading_bytes(key(rows.row(i)), common), i};
  }
  std::sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
    if (a.leading != b.leading) return a.leading < b.leading;
    const int order_of_keys = key(rows.row(a.place)).compare(key(rows.row(b.place)));
    return order_of_keys != 0 ? order_of_keys < 0 : a.place < b.place;
  });
  for (const Entry& entry : entries) order.push_back(rows.row(entry.place));
  return order;
}

ObjectColumns ObjectColumns::gathered(std::span<const std::size_t> rows) const {
  ObjectColumns made;
  const std::size_t count = rows.size();
  if (count == 0) return made;
  std::size_t key_bytes = 0;
  for (const std::size_t row : rows) key_bytes += key(row).size();
  // A column at a time: they are written one after the other, and none is larger than it must be.
  made.key_bytes_.reserve(key_bytes);
  made.key_offsets_.reserve(count + 1);
  for (const std::size_t row : rows) {
    made.key_bytes_.append(key(row));
    made.key_offsets_.push_back(static_cast<std::int64_t>(made.key_bytes_.size()));
  }
  const auto gather = [&](const auto& from, auto* to) {
    to->reserve(count);
    auto* const out = to->extend(count);
    for (std::size_t i = 0; i < count; ++i) out[i] = from[rows[i]];
  };
  gather(sizes_, &made.sizes_);
  gather(last_modified_, &made.last_modified_);
  gather(etag_bytes_, &made.etag_bytes_);
  gather(etag_words_, &made.etag_words_);
  gather(storage_class_ids_, &made.storage_class_ids_);
  for (std::size_t i = 0; !etag_arena_.empty() && i < count; ++i)
    made.take_arena_etag(i, *this, rows[i]);
  // All of them, so that the ids stay right.
  made.storage_classes_ = storage_classes_;
  made.storage_class_index_ = storage_class_index_;
  return made;
}

std::size_t ObjectColumns::find(const RowRange& rows, std::string_view wanted) const {
  assert(rows.is_within(size()));
  std::size_t i = 0;
  while (i < rows.count && key(rows.row(i)) != wanted) ++i;
  return i;
}

bool ObjectColumns::same_rows(const ObjectColumns& a, const RowRange& a_rows,
                              const ObjectColumns& b, const RowRange& b_rows) {
  assert(a_rows.count == b_rows.count && a_rows.is_within(a.size()) && b_rows.is_within(b.size()));
  for (std::size_t n = 0; n < a_rows.count; ++n) {
    const std::size_t i = a_rows.row(n);
    const std::size_t j = b_rows.row(n);
    if (a.sizes_[i] != b.sizes_[j] || a.last_modified_[i] != b.last_modified_[j] ||
        !a.same_etag(i, b, j) || a.key(i) != b.key(j) || a.storage_class(i) != b.storage_class(j)) {
      return false;
    }
  }
  return true;
}

std::size_t ObjectColumns::heap_bytes() const {
  std::size_t bytes = key_bytes_.capacity_bytes() + key_offsets_.capacity_bytes() +
                      sizes_.capacity_bytes() + last_modified_.capacity_bytes() +
                      etag_bytes_.capacity_bytes() + etag_words_.capacity_bytes() +
                      etag_arena_.capacity_bytes() + storage_class_ids_.capacity_bytes();
  for (const std::string& name : storage_classes_) bytes += 2 * name.capacity() + 128;
  return bytes;
}

}  // namespace ossmc
