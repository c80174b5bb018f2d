#include "protocol/object_name.h"

#include <algorithm>

#include "base/utf8.h"
#include "protocol/aliyun_host.h"
#include "protocol/ascii.h"
#include "protocol/percent.h"
#include "protocol/secrets.h"

namespace ossmc {

namespace {

// "1-1023 UTF-8 bytes": Alibaba Cloud OSS, "Object naming conventions".
constexpr std::size_t kMaxKeyBytes = 1023;
constexpr std::size_t kMinBucketBytes = 3;
constexpr std::size_t kMaxBucketBytes = 63;
constexpr std::size_t kMaxVersionIdBytes = 1000;  // those of OSS have about 60

constexpr const char* kBucketForm = "3 to 63 characters of a-z, 0-9 and -, no - at either end";

// A text's end that is not shown may still tell that its beginning must not be: an "@".
constexpr std::size_t kLookAheadBytes = 4096;

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

// In a wrong address whatever stands before an "@" may be a password.
bool may_hold_password(std::string_view address) {
  return address.find('@') != address.npos || address.find("%40") != address.npos;
}

// Empty if they are no bucket and no key.
std::string uri_if_valid(std::string_view bucket, std::string_view key) {
  if (!check_bucket_name(bucket).is_ok() || !check_object_key(key).is_ok()) return {};
  return ObjectName{std::string(bucket), std::string(key)}.uri();
}

// What is meant by "https://bucket.endpoint/key", where the key is percent-encoded. Empty if the
// host does not tell the bucket.
std::string uri_of_url(std::string_view authority, std::string_view path) {
  const auto host = read_aliyun_host(authority.substr(0, authority.find(':')));
  const auto key = percent_decode(path);
  return host && key ? uri_if_valid(host->bucket, *key) : std::string();
}

// What is meant by "bucket/key" in another form: another scheme or none, the bucket in capitals or
// before the endpoint.
std::string uri_of_path(std::string_view authority, std::string_view path) {
  const std::string host = to_ascii_lower(authority);
  return uri_if_valid(std::string_view(host).substr(0, host.find_first_of(".:")), path);
}

// Why `text` is no object's URI, and what to write.
Status not_an_object_uri(std::string_view text) {
  std::string why = "an object's URI is oss://bucket/key, not " + quoted_address(text);
  if (may_hold_password(text)) {
    return invalid_argument(
        why + ": leave user and password out, credentials come from cred_provider or cred_path");
  }
  const std::size_t query = std::min(text.find('?'), text.size());
  std::string_view rest = text.substr(0, query);
  std::string scheme;
  if (const std::size_t colon = rest.find(":/"); colon != rest.npos) {
    scheme = to_ascii_lower(rest.substr(0, colon));
    rest.remove_prefix(colon + 1);
  }
  rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view authority = rest.substr(0, slash);
  const std::string_view path = rest.substr(std::min(slash + 1, rest.size()));
  const bool is_url = scheme == "http" || scheme == "https";
  std::string meant = is_url ? uri_of_url(authority, path) : uri_of_path(authority, path);
  if (!is_url && query < text.size()) meant += "?...";
  if (meant.starts_with(kUriScheme) && scheme != "file") why += ": write " + in_quotes(meant, 1100);
  if (authority.find('.') != authority.npos) {
    why += "; the endpoint is told to the connector, without the bucket";
  } else if (text.starts_with(kUriScheme) && !check_bucket_name(authority).is_ok()) {
    why += std::string("; a bucket's name has ") + kBucketForm;
  }
  return invalid_argument(why);
}

}  // namespace

Result<ObjectName> parse_object_uri(std::string_view uri) {
  if (!uri.starts_with(kUriScheme)) return not_an_object_uri(uri);
  const std::string_view rest = uri.substr(kUriScheme.size());
  const std::size_t slash = rest.find('/');
  ObjectName name;
  name.bucket = rest.substr(0, slash);
  if (!check_bucket_name(name.bucket).is_ok()) return not_an_object_uri(uri);
  if (slash != rest.npos) name.key = rest.substr(slash + 1);
  const Status status = check_object_key(name.key);
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
  return invalid_argument("not a bucket name: " + quoted_address(bucket) + " (" + kBucketForm +
                          ")");
}

Status check_object_key(std::string_view key) {
  if (key.empty()) {
    return invalid_argument("the object's key is empty: write oss://bucket/key");
  }
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

std::string printable(std::string_view text, std::size_t limit) {
  const bool is_cut = text.size() > limit && text.size() - limit > kLookAheadBytes;
  const std::string shown =
      without_secrets(is_cut ? text.substr(0, limit + kLookAheadBytes) : text);
  std::string_view bytes = shown;
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
  return is_cut ? out + "..." : out;
}

std::string quoted_address(std::string_view address) {
  if (may_hold_password(address)) return "a text (not shown, since it holds an @)";
  const std::size_t query = address.find('?');
  if (query == address.npos) return in_quotes(address);
  return in_quotes(std::string(address.substr(0, query)) + "?...");
}

}  // namespace ossmc
