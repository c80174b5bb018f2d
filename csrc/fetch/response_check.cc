#include "fetch/response_check.h"

#include <algorithm>
#include <utility>

#include "protocol/object_name.h"

namespace ossmc {

namespace {

CheckedReply refuse(StatusCode code, RetryClass retry, std::string text, const ResponseHead& head) {
  ErrorDetail detail;
  detail.http_status = head.status;
  detail.request_id = head.request_id;
  detail.ec = head.ec;
  text += " (HTTP " + std::to_string(head.status);
  if (!head.request_id.empty()) text += ", request id " + printable(head.request_id, 80);
  text += ")";
  CheckedReply reply;
  reply.failure = Failure{Status(code, std::move(text), std::move(detail)), retry, {}};
  return reply;
}

std::string range_text(ByteRange range) {
  return "[" + std::to_string(range.begin) + ", " + std::to_string(range.end) + ")";
}

ObjectVersion version_of(const ResponseHead& head, std::uint64_t size) {
  ObjectVersion version;
  version.size = size;
  version.etag = head.etag;
  // The CRC of a symlink's reply is the link's, not the target's ("SymLink" in OSS's PutSymlink
  // reference).
  if (head.object_type != "Symlink") version.crc64 = head.crc64;
  version.last_modified = head.last_modified;
  version.storage_class = head.storage_class;
  version.version_id = head.version_id;
  return version;
}

// Whether it may be a reply of that version. A store that does not know versions takes no notice of
// the parameter, and sends the latest. "null" is what an object without a version has as its id.
bool is_of_version(const ResponseHead& head, std::string_view version_id) {
  return version_id.empty() || head.version_id == version_id ||
         (head.version_id.empty() && version_id == "null");
}

CheckedReply refuse_version_id(const ResponseHead& head, std::string_view version_id) {
  return refuse(
      StatusCode::kProtocol, RetryClass::kNever,
      "version " + in_quotes(version_id) + " was asked for, the reply is of " +
          (head.version_id.empty() ? "none (no x-oss-version-id)" : in_quotes(head.version_id)),
      head);
}

// The identity is looked at first: a changed object explains a changed total.
std::optional<CheckedReply> refuse_change(const ResponseHead& head, std::uint64_t total,
                                          std::uint64_t known_size, const std::string& known_etag) {
  if (!known_etag.empty() && head.etag != known_etag) {
    return refuse(StatusCode::kObjectChanged, RetryClass::kNever,
                  "the object was overwritten since its version became known: ETag was \"" +
                      printable(known_etag, 80) + "\", is \"" + printable(head.etag, 80) + "\"",
                  head);
  }
  if (total != known_size) {
    return refuse(StatusCode::kObjectChanged, RetryClass::kNever,
                  "the object's size changed since its version became known from " +
                      std::to_string(known_size) + " to " + std::to_string(total),
                  head);
  }
  return std::nullopt;
}

}  // namespace

CheckedReply check_range_reply(const ResponseHead& head, ByteRange asked,
                               const ObjectVersion* known, const AskedVersion& version) {
  if (!is_of_version(head, version.id)) return refuse_version_id(head, version.id);
  ByteRange range;
  std::uint64_t total = 0;
  if (head.status == 206) {
    if (!head.content_range.has_value()) {
      return refuse(StatusCode::kProtocol, RetryClass::kTransient,
                    head.bad_content_range ? "206 with a Content-Range that cannot be read"
                                           : "206 without a Content-Range",
                    head);
    }
    range = head.content_range->range;
    total = head.content_range->total;
  } else {
    // A store that ignores ranges sends the whole object. That is right only where the whole object
    // was wanted.
    if (!head.content_length.has_value() || asked.begin != 0 || *head.content_length > asked.end ||
        (known != nullptr && known->size != *head.content_length && known->size != 0)) {
      return refuse(StatusCode::kProtocol, RetryClass::kNever,
                    "200 with " +
                        (head.content_length ? std::to_string(*head.content_length) + " bytes"
                                             : std::string("no length")) +
                        " where the range " + range_text(asked) + " was asked for",
                    head);
    }
    total = *head.content_length;
    range = {0, total};
  }
  if (total > kMaxObjectBytes) {
    return refuse(StatusCode::kProtocol, RetryClass::kNever,
                  "an object of " + std::to_string(total) + " bytes is not possible", head);
  }
  std::optional<CheckedReply> changed;
  if (known != nullptr) {
    changed = refuse_change(head, total, known->size, known->etag);
  } else if (version.listed != nullptr) {
    changed = refuse_change(head, total, version.listed->size, version.listed->etag);
  }
  if (changed) return std::move(*changed);
  const ByteRange wanted{asked.begin, std::min(asked.end, total)};
  if (!(range == wanted)) {
    return refuse(StatusCode::kProtocol, RetryClass::kTransient,
                  "asked for bytes " + range_text(wanted) + ", the reply's Content-Range says " +
                      range_text(range),
                  head);
  }
  if (head.content_length.has_value() && *head.content_length != range.size()) {
    return refuse(StatusCode::kProtocol, RetryClass::kTransient,
                  "Content-Length " + std::to_string(*head.content_length) +
                      " does not fit Content-Range " + range_text(range),
                  head);
  }
  CheckedReply reply;
  reply.range = range;
  reply.version = version_of(head, total);
  return reply;
}

CheckedReply check_head_reply(const ResponseHead& head, const AskedVersion& version) {
  if (!is_of_version(head, version.id)) return refuse_version_id(head, version.id);
  if (!head.content_length.has_value() || *head.content_length > kMaxObjectBytes) {
    return refuse(StatusCode::kProtocol, RetryClass::kTransient,
                  "HEAD reply without a usable Content-Length", head);
  }
  if (version.listed != nullptr) {
    std::optional<CheckedReply> changed =
        refuse_change(head, *head.content_length, version.listed->size, version.listed->etag);
    if (changed) return std::move(*changed);
  }
  CheckedReply reply;
  reply.range = {0, *head.content_length};
  reply.version = version_of(head, *head.content_length);
  return reply;
}

}  // namespace ossmc
