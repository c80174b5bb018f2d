#include "protocol/http.h"

#include <algorithm>
#include <limits>

#include "protocol/ascii.h"
#include "protocol/dates.h"
#include "protocol/object_name.h"

namespace ossmc {

namespace {

constexpr auto kMaxLength = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

// The opaque part of an entity tag; empty for what is none. Some servers leave the quotes out.
std::string_view opaque_etag(std::string_view value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
    value = value.substr(1, value.size() - 2);
  return is_opaque_etag(value) ? value : std::string_view{};
}

void set_etag(std::string_view value, ResponseHead* head) {
  const bool is_weak = value.starts_with("W/") || value.starts_with("w/");
  head->etag = is_weak ? std::string_view{} : opaque_etag(value);
  head->weak_etag = is_weak ? opaque_etag(value.substr(2)) : std::string_view{};
}

// Of an appendable object's replies; and of S3, and of Google's store behind its API.
bool tells_object_size(std::string_view name) {
  for (const std::string_view known : {"x-oss-next-append-position", "x-oss-object-size",
                                       "x-amz-object-size", "x-goog-stored-content-length"}) {
    if (equal_ignoring_case(name, known)) return true;
  }
  return false;
}

bool is_header_of_store(std::string_view name) {
  for (const std::string_view prefix : {"x-oss-", "x-amz-"}) {
    if (equal_ignoring_case(name.substr(0, prefix.size()), prefix)) return true;
  }
  return false;
}

std::optional<std::uint32_t> retry_after(std::string_view value, std::string_view date) {
  constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (const auto seconds = parse_decimal(value, kMost)) return static_cast<std::uint32_t>(*seconds);
  const auto then = parse_http_date(value);
  const auto now = parse_http_date(date);
  if (!then || !now) return std::nullopt;
  return static_cast<std::uint32_t>(std::clamp(*then - *now, 0.0, static_cast<double>(kMost)));
}

// Headers that are kept as they came.
struct TextHeader {
  std::string_view name;
  std::string ResponseHead::*field;
};
constexpr TextHeader kTextHeaders[] = {
    {"content-encoding", &ResponseHead::content_encoding},
    {"content-type", &ResponseHead::content_type},
    {"last-modified", &ResponseHead::last_modified},
    {"x-oss-storage-class", &ResponseHead::storage_class},
    {"x-oss-object-type", &ResponseHead::object_type},
    {"x-oss-request-id", &ResponseHead::request_id},
    {"x-oss-err", &ResponseHead::error_header},
    {"x-oss-ec", &ResponseHead::ec},
    {"location", &ResponseHead::location},
    {"date", &ResponseHead::date},
};

}  // namespace

bool is_opaque_etag(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != '"' && c != 0x7F;
  });
}

std::string_view method_name(Method method) { return method == Method::kHead ? "HEAD" : "GET"; }

ResponseHead parse_response_head(int status, const std::vector<NameValue>& headers) {
  ResponseHead head;
  head.status = status;
  std::string_view retry_after_value;
  for (const NameValue& header : headers) {
    const std::string_view name = header.name;
    const std::string_view value = trim_blanks(header.value);
    head.is_of_store = head.is_of_store || is_header_of_store(name);
    if (equal_ignoring_case(name, "content-length")) {
      head.content_length = parse_decimal(value, kMaxLength);
    } else if (equal_ignoring_case(name, "content-range")) {
      head.content_range = parse_content_range(value);
      head.bad_content_range = !head.content_range.has_value();
    } else if (equal_ignoring_case(name, "transfer-encoding")) {
      head.is_chunked = equal_ignoring_case(value, "chunked");
    } else if (equal_ignoring_case(name, "etag")) {
      set_etag(value, &head);
    } else if (equal_ignoring_case(name, "x-oss-hash-crc64ecma")) {
      head.crc64 = parse_decimal(value);
    } else if (equal_ignoring_case(name, "x-oss-version-id")) {
      head.version_id = check_version_id(value).is_ok() ? value : std::string_view{};
    } else if (equal_ignoring_case(name, "x-oss-delete-marker")) {
      head.is_delete_marker = equal_ignoring_case(value, "true");
    } else if (tells_object_size(name)) {
      head.object_size = parse_decimal(value, kMaxLength);
    } else if (equal_ignoring_case(name, "retry-after")) {
      retry_after_value = value;
    } else {
      for (const TextHeader& text : kTextHeaders) {
        if (equal_ignoring_case(name, text.name)) head.*text.field = value;
      }
    }
  }
  if (!retry_after_value.empty()) {
    head.retry_after_seconds = retry_after(retry_after_value, head.date);
  }
  return head;
}

}  // namespace ossmc
