// Names of buckets and objects, and the oss:// URI that joins them. A key is raw bytes of UTF-8:
// never decoded.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"

namespace ossmc {

inline constexpr std::string_view kUriScheme = "oss://";

struct ObjectName {
  std::string bucket;
  std::string key;
  std::string version_id = {};  // of one version in a versioned bucket; empty: the current one

  std::string uri() const { return std::string(kUriScheme) + bucket + "/" + key; }
  friend bool operator==(const ObjectName&, const ObjectName&) = default;
};

// "oss://bucket/key": the key is all text after the first '/', '?' and '#' included, a leading '/'
// kept. kInvalidArgument: other scheme, bad bucket, empty key, key over 1,023 bytes, invalid UTF-8
// (lone surrogates). The text says what to write instead; no password and no query is in it.
Result<ObjectName> parse_object_uri(std::string_view uri);
// 3 to 63 of [a-z0-9-], no '-' at either end.
Status check_bucket_name(std::string_view bucket);
Status check_object_key(std::string_view key);
// 1 to 1,000 printable characters of ASCII: OSS does not say what is in one.
Status check_version_id(std::string_view version_id);
Status check_list_prefix(std::string_view prefix);

// For texts: `text` without secrets, cut off after `limit` bytes (then "..." follows), and with
// control characters and invalid UTF-8 escaped, so that an error is one line.
std::string printable(std::string_view text, std::size_t limit = 1200);
// The same in quotation marks. (Not "quoted", which std has for a std::string.)
inline std::string in_quotes(std::string_view bytes, std::size_t limit = 200) {
  return "\"" + printable(bytes, limit) + "\"";
}
// For an address that was refused, so that where its secrets stand is not known: no query, and
// nothing at all if it holds an "@".
std::string quoted_address(std::string_view address);

}  // namespace ossmc
