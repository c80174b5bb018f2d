#include "listing/object_columns.h"

#include <cassert>
#include <charconv>
#include <cstring>
#include <limits>

namespace ossmc {

namespace {

constexpr std::size_t kMd5HexChars = 32;
constexpr char kUpperDigits[] = "0123456789ABCDEF";
constexpr char kLowerDigits[] = "0123456789abcdef";

int hex_value(char c, const char* digits) {
  const void* found = std::memchr(digits, c, 16);
  return found == nullptr ? -1 : static_cast<int>(static_cast<const char*>(found) - digits);
}

bool decode_hex(std::string_view hex, const char* digits, std::uint8_t* out) {
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = hex_value(hex[i], digits);
    const int low = hex_value(hex[i + 1], digits);
    if (high < 0 || low < 0) return false;
    out[i / 2] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
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

}  // namespace

void ObjectColumns::append(const ListedObject& object) {
  assert(object.size <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
  key_bytes_.append(object.key);
  key_offsets_.push_back(static_cast<std::int64_t>(key_bytes_.size()));
  sizes_.push_back(static_cast<std::int64_t>(object.size));
  last_modified_.push_back(object.last_modified_unix);
  append_etag(object.etag);
  storage_class_ids_.push_back(storage_class_id(object.storage_class));
}

void ObjectColumns::append_etag(std::string_view etag) {
  EtagBytes bytes{};
  std::uint32_t parts = 0;
  if (etag.size() >= kMd5HexChars && parse_parts(etag.substr(kMd5HexChars), kPartsMask, &parts)) {
    const std::string_view hex = etag.substr(0, kMd5HexChars);
    for (const EtagForm form : {kUpperHex, kLowerHex}) {
      if (decode_hex(hex, form == kUpperHex ? kUpperDigits : kLowerDigits, bytes.data())) {
        etag_bytes_.push_back(bytes);
        etag_words_.push_back(form | parts);
        return;
      }
    }
  }
  const std::uint64_t place[2] = {etag_arena_.size(), etag.size()};
  static_assert(sizeof place == sizeof bytes);
  std::memcpy(bytes.data(), place, sizeof place);
  etag_arena_.append(etag);
  etag_bytes_.push_back(bytes);
  etag_words_.push_back(kArena);
}

std::string ObjectColumns::etag(std::size_t i) const {
  const std::uint32_t word = etag_words_[i];
  const EtagBytes& bytes = etag_bytes_[i];
  if ((word & ~kPartsMask) == kArena) {
    std::uint64_t place[2];
    std::memcpy(place, bytes.data(), sizeof place);
    return etag_arena_.substr(place[0], place[1]);
  }
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

std::uint32_t ObjectColumns::storage_class_id(const std::string& name) {
  if (!storage_class_ids_.empty() && storage_classes_[storage_class_ids_.back()] == name) {
    return storage_class_ids_.back();
  }
  const auto [found, is_new] =
      storage_class_index_.try_emplace(name, static_cast<std::uint32_t>(storage_classes_.size()));
  if (is_new) storage_classes_.push_back(name);
  return found->second;
}

ListedObject ObjectColumns::row(std::size_t i) const {
  assert(i < size());
  return {std::string(key(i)), object_size(i), etag(i), last_modified_unix(i), storage_class(i)};
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

bool ObjectColumns::is_strictly_sorted() const {
  for (std::size_t i = 1; i < size(); ++i) {
    // string_view compares as unsigned char.
    if (key(i - 1) >= key(i)) return false;
  }
  return true;
}

std::size_t ObjectColumns::heap_bytes() const {
  std::size_t bytes = key_bytes_.capacity() + etag_arena_.capacity();
  bytes += key_offsets_.capacity() * sizeof key_offsets_[0] + sizes_.capacity() * sizeof sizes_[0] +
           last_modified_.capacity() * sizeof last_modified_[0] +
           etag_bytes_.capacity() * sizeof etag_bytes_[0] +
           etag_words_.capacity() * sizeof etag_words_[0] +
           storage_class_ids_.capacity() * sizeof storage_class_ids_[0];
  for (const std::string& name : storage_classes_) bytes += 2 * name.capacity() + 128;
  return bytes;
}

}  // namespace ossmc
