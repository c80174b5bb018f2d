// The words of HTTP that the floors above share: a request ready to be sent, and the head of a
// reply.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/content_range.h"

namespace ossmc {

enum class Method : std::uint8_t { kGet, kHead };

std::string_view method_name(Method method);

struct NameValue {
  std::string name;
  std::string value;
  friend bool operator==(const NameValue&, const NameValue&) = default;
};

// One exchange as it goes on the wire. `url` is final: nothing below rewrites it (no dot-segment
// removal, no re-encoding).
struct HttpRequest {
  Method method = Method::kGet;
  std::string url;
  std::vector<NameValue> headers;
};

// Head of a reply, parsed with bounds: every number that the server sent went through checked
// arithmetic.
struct ResponseHead {
  int status = 0;
  std::optional<std::uint64_t> content_length;
  bool is_chunked = false;  // so that its body, if it came whole, tells how long it is
  // Set when the header is there and well formed; `bad_content_range` when it is there and is not.
  std::optional<ContentRange> content_range;
  bool bad_content_range = false;
  // Without the quotes; empty: none, or a weak or malformed one, which no request can ask for.
  std::string etag;
  std::string weak_etag;  // what stands in a weak one
  // The whole object's, whatever the reply holds of it, as some stores tell it besides.
  std::optional<std::uint64_t> object_size;
  std::optional<std::uint64_t> crc64;
  std::string content_encoding;
  std::string content_type;
  std::string last_modified;  // as sent
  std::string storage_class;
  std::string object_type;
  std::string version_id;  // of a versioned bucket; empty: none, or not one (check_version_id)
  bool is_delete_marker = false;
  std::string request_id;
  std::string error_header;  // x-oss-err: base64 of the error XML, on replies without a body
  std::string ec;
  std::string location;
  std::string date;
  // Headers of stores are there, of OSS or of S3, whatever they say.
  bool is_of_store = false;
  // Retry-After in either form (RFC 9110, 10.2.3); a date is taken relative to the reply's own.
  std::optional<std::uint32_t> retry_after_seconds;

  bool is_success() const { return status == 200 || status == 206; }
};

// Whether a version can be pinned by this: the text between the quotes of a strong entity tag, not
// empty. What is one is safe in a header.
bool is_opaque_etag(std::string_view text);

// `headers` in the order received; names in any case, the last of a repeated name wins.
ResponseHead parse_response_head(int status, const std::vector<NameValue>& headers);

}  // namespace ossmc
