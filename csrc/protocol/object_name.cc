#include "protocol/object_name.h"

#include <algorithm>

#include "base/utf8.h"
#include "protocol/ascii.h"

namespace ossmc {

namespace {

// "1-1023 UTF-8 bytes": Alibaba Cloud OSS, "Object naming conventions".
constexpr std::size_t kMaxKeyBytes = 1023;
constexpr std::size_t kMinBucketBytes = 3;
constexpr std::size_t kMaxBucketBytes = 63;
constexpr std::size_t kMaxVersionIdBytes = 1000;  // those of OSS have about 60

// What both keys and prefixes must be.
Status check_key_bytes(std::string_view what, std::string_view bytes) {
  if (bytes.size() > kMaxKeyBytes) {
    return invalid_argument(std::string(what) + " is longer than 1,023 bytes of UTF-8 (it has " +
                            std::to_string(bytes.size()) + "): " + in_quotes(bytes));
  }
  if (!is_utf8(bytes)) {
    return invalid_argument(std::string(what) +
                            " is not UTF-8 (a lone surrogate?): " + in_quotes(bytes));
  }
  return Status::ok();
}

// C0, DEL, C1, and the two separators that some readers take for the end of a line.
bool is_control(char32_t point) {
  return point < 0x20 || (point >= 0x7F && point <= 0x9F) || point == 0x2028 || point == 0x2029;
}

std::string escaped(char kind, char32_t value, int digits) {
  std::string out = {'\\', kind};
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
    out.push_back("0123456789abcdef"[(value >> shift) & 0xF]);
  }
  return out;
}

// What stands for the control character `point` in a text.
std::string escaped_control(char32_t point) {
  switch (point) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return point < 0x80 ? escaped('x', point, 2) : escaped('u', point, 4);
  }
}

}  // namespace

Result<ObjectName> parse_object_uri(std::string_view uri) {
  if (!uri.starts_with(kUriScheme)) {
    return invalid_argument("an object's URI begins with oss:// (oss://bucket/key), not so " +
                            in_quotes(uri));
  }
  const std::string_view rest = uri.substr(kUriScheme.size());
  const std::size_t slash = rest.find('/');
  ObjectName name;
  name.bucket = rest.substr(0, slash);
  Status status = check_bucket_name(name.bucket);
  if (!status.is_ok()) return status.with_prefix(in_quotes(uri));
  if (slash != rest.npos) name.key = rest.substr(slash + 1);
  status = check_object_key(name.key);
  if (!status.is_ok()) return status.with_prefix(in_quotes(uri));
  return name;
}

Status check_bucket_name(std::string_view bucket) {
  const bool fits = bucket.size() >= kMinBucketBytes && bucket.size() <= kMaxBucketBytes &&
                    bucket.front() != '-' && bucket.back() != '-' &&
                    std::all_of(bucket.begin(), bucket.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || is_ascii_digit(c) || c == '-';
                    });
  if (fits) return Status::ok();
  return invalid_argument("not a bucket name: " + in_quotes(bucket) +
                          " (3 to 63 characters of a-z, 0-9 and -, no - at either end)");
}

Status check_object_key(std::string_view key) {
  if (key.empty()) return invalid_argument("the object's key is empty");
  return check_key_bytes("the object's key", key);
}

Status check_version_id(std::string_view version_id) {
  if (version_id.empty()) return invalid_argument("the version id is empty");
  if (version_id.size() > kMaxVersionIdBytes) {
    return invalid_argument("the version id is longer than 1,000 bytes (it has " +
                            std::to_string(version_id.size()) + "): " + in_quotes(version_id));
  }
  const bool is_printable = std::all_of(version_id.begin(), version_id.end(),
                                        [](char c) { return c >= ' ' && c <= '~'; });
  if (is_printable) return Status::ok();
  return invalid_argument("a version id has printable characters of ASCII alone, not so " +
                          in_quotes(version_id));
}

Status check_list_prefix(std::string_view prefix) { return check_key_bytes("the prefix", prefix); }

std::string printable(std::string_view bytes, std::size_t limit) {
  std::string out;
  out.reserve(std::min(bytes.size(), limit) + 3);
  while (!bytes.empty()) {
    const auto [size, point] = decode_utf8_sequence(bytes);
    const std::size_t taken = std::max<std::size_t>(size, 1);
    std::string_view piece = bytes.substr(0, taken);
    std::string escape;
    if (size == 0) {
      escape = escaped('x', static_cast<unsigned char>(bytes[0]), 2);
      piece = escape;
    } else if (is_control(point)) {
      escape = escaped_control(point);
      piece = escape;
    }
    if (out.size() + piece.size() > limit) return out + "...";
    out += piece;
    bytes.remove_prefix(taken);
  }
  return out;
}

}  // namespace ossmc
