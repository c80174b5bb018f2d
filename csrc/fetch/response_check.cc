#include "fetch/response_check.h"

#include <algorithm>
#include <utility>

#include "protocol/ascii.h"
#include "protocol/object_name.h"

namespace ossmc {

namespace {

using Next = CheckedReply::Next;

Failure failure(StatusCode code, RetryClass retry, std::string text, const ResponseHead& head) {
  ErrorDetail detail;
  detail.http_status = head.status;
  detail.request_id = head.request_id;
  detail.ec = head.ec;
  text += " (HTTP " + std::to_string(head.status);
  if (!head.request_id.empty()) text += ", request id " + printable(head.request_id, 80);
  text += ")";
  return {Status(code, std::move(text), std::move(detail)), retry, {}};
}

CheckedReply refuse(StatusCode code, RetryClass retry, std::string text, const ResponseHead& head,
                    Next next = Next::kNothing) {
  CheckedReply reply;
  reply.failure = failure(code, retry, std::move(text), head);
  reply.next = next;
  return reply;
}

CheckedReply refuse_for_good(std::string text, const ResponseHead& head,
                             Next next = Next::kNothing) {
  return refuse(StatusCode::kProtocol, RetryClass::kNever, std::move(text), head, next);
}

CheckedReply refuse_for_now(std::string text, const ResponseHead& head) {
  return refuse(StatusCode::kProtocol, RetryClass::kTransient, std::move(text), head);
}

CheckedReply refuse_change(std::string_view difference, const ResponseHead& head) {
  CheckedReply reply;
  reply.failure = changed_object(head, difference);
  return reply;
}

CheckedReply refuse_size(std::uint64_t was, std::uint64_t is, const ResponseHead& head) {
  return refuse_change("size was " + std::to_string(was) + ", is " + std::to_string(is), head);
}

CheckedReply refuse_impossible(std::uint64_t size, const ResponseHead& head) {
  return refuse_for_good("an object of " + std::to_string(size) + " bytes is not possible", head);
}

CheckedReply refuse_bare(const Replier& replier, const ResponseHead& head,
                         Next next = Next::kNothing) {
  std::string text = "200";
  if (!head.content_type.empty()) text += " of type " + in_quotes(head.content_type);
  return refuse_for_good(text + "; " + no_store_advice(replier), head, next);
}

std::string range_text(ByteRange range) {
  return "[" + std::to_string(range.begin) + ", " + std::to_string(range.end) + ")";
}

ObjectVersion version_of(const ResponseHead& head, std::uint64_t size) {
  ObjectVersion version;
  version.size = size;
  version.etag = head.etag;
  version.weak_etag = head.weak_etag;
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
  return refuse_for_good(
      "version " + in_quotes(version_id) + " was asked for, the reply is of " +
          (head.version_id.empty() ? "none (no x-oss-version-id)" : in_quotes(head.version_id)),
      head);
}

// The version that a reply must be of, if that is known.
std::optional<ObjectVersion> pinned(const ObjectVersion* known, const AskedVersion& version) {
  if (known != nullptr) return *known;
  if (version.listed != nullptr) return version_of(*version.listed);
  return std::nullopt;
}

// The MD5 of nothing, which an empty object has as its ETag unless it was uploaded in parts.
constexpr std::string_view kEmptyEtag = "d41d8cd98f00b204e9800998ecf8427e";

// A length of 0 that what else the head tells of the object denies. Frameworks put one into replies
// to HEAD, since these have no body.
bool is_empty_by_mistake(const ResponseHead& head) {
  if (head.content_length != std::uint64_t{0}) return false;
  const bool has_crc = head.object_type != "Symlink" && head.crc64.value_or(0) != 0;
  return has_crc || (!head.etag.empty() && !equal_ignoring_case(head.etag, kEmptyEtag));
}

// A 206, or one but for its status, as some gateways send it (rclone's, lakeFS): it says that it is
// the part that was asked for, of how many bytes, and is as long.
bool is_part(const ResponseHead& head, ByteRange asked) {
  if (head.status != 200 || !head.content_range) return head.status == 206;
  const ContentRange& told = *head.content_range;
  return told.total && told.range == ByteRange{asked.begin, std::min(asked.end, *told.total)} &&
         head.content_length == told.range->size() &&
         head.object_size.value_or(*told.total) == *told.total;
}

// What stands between a 200 and the whole object: nothing, or the words for it.
std::string_view part_by_its_head(const ResponseHead& head) {
  if (head.bad_content_range) return "a Content-Range";
  if (head.content_range) {
    const ContentRange& told = *head.content_range;
    const bool is_whole = told.range && told.range->begin == 0 && told.total == told.range->end &&
                          head.content_length.value_or(*told.total) == *told.total;
    if (!is_whole) return "a Content-Range";
  }
  if (head.object_size && head.object_size != head.content_length) return "another size";
  if (to_ascii_lower(head.content_type).starts_with("multipart/byteranges"))
    return "multipart/byteranges";
  return {};
}

// Which bytes of how many a reply holds. By its head alone; `size`: the object's, if known.
struct Told {
  std::optional<CheckedReply> refused = {};
  ByteRange range = {};
  std::uint64_t total = 0;
};

Told told_by_206(const ResponseHead& head, const std::optional<std::uint64_t>& size) {
  if (!head.content_range) {
    return {refuse_for_now(head.bad_content_range ? "206 with a Content-Range that cannot be read"
                                                  : "206 without a Content-Range",
                           head)};
  }
  const ContentRange& told = *head.content_range;
  if (!told.range && told.total != std::uint64_t{0})
    return {refuse_for_now("206 with the Content-Range of a 416", head)};
  if (!told.range) return {{}, {0, 0}, 0};
  const std::optional<std::uint64_t> total = told.total ? told.total : size;
  if (total && *total >= told.range->end) return {{}, *told.range, *total};
  return {refuse_for_good("206 whose Content-Range does not tell the object's size (\"*\")", head,
                          Next::kSize)};
}

// Not a page of a proxy, which has nothing of an object, nor that very version.
bool may_be_changed(const std::optional<ObjectVersion>& pin, const ResponseHead& head) {
  const bool is_same = pin && !pin->etag.empty() && pin->etag == head.etag;
  return !is_same && version_of(head, 0).is_marked();
}

// A store that ignores ranges sends the whole object. That is right only where the whole object was
// wanted, and where nothing says that it is less: gateways send parts by a 200.
Told told_by_200(const ResponseHead& head, ByteRange asked, const std::optional<ObjectVersion>& pin,
                 bool is_first) {
  const bool knows_size = pin.has_value();
  const std::uint64_t size = knows_size ? pin->size : 0;
  const std::string where = " where the range " + range_text(asked) + " was asked for";
  if (const std::string_view part = part_by_its_head(head); !part.empty())
    return {refuse_for_good("200 with " + std::string(part) + where, head)};
  const std::optional<std::uint64_t>& length =
      head.content_length ? head.content_length : head.object_size;
  if (!length) {
    if (knows_size && asked.begin == 0 && asked.end >= size) return {{}, {0, size}, size};
    return {refuse_for_good("200 with no length" + where, head,
                            is_first ? Next::kSize : Next::kNothing)};
  }
  const std::string text = "200 with " + std::to_string(*length) + " bytes" + where;
  const bool is_other_size = knows_size && *length != size;
  if (is_other_size && *length != asked.size() && may_be_changed(pin, head))
    return {{}, {0, *length}, *length};
  if (is_other_size || asked.begin != 0 || *length > asked.end)
    return {refuse_for_good(text, head, is_first ? Next::kSizeIfLittle : Next::kNothing)};
  // As long as the range: the whole object, or the range of a larger one.
  if (!knows_size && *length == asked.end) return {refuse_for_good(text, head, Next::kSize)};
  return {{}, {0, *length}, *length};
}

}  // namespace

CheckedReply check_range_reply(const ResponseHead& head, ByteRange asked,
                               const ObjectVersion* known, const AskedVersion& version) {
  if (is_bare(head)) return refuse_bare(version.replier, head);
  if (!is_of_version(head, version.id)) return refuse_version_id(head, version.id);
  const std::optional<ObjectVersion> pin = pinned(known, version);
  CheckedReply reply;
  reply.version = version_of(head, 0);
  // The identity is looked at first: a changed object explains all else.
  if (pin) {
    if (const auto changed = difference(*pin, reply.version)) return refuse_change(*changed, head);
  }
  const auto size = pin ? std::optional(pin->size) : std::nullopt;
  Told told = is_part(head, asked) ? told_by_206(head, size)
                                   : told_by_200(head, asked, pin, known == nullptr);
  if (told.refused) return std::move(*told.refused);
  if (told.total > kMaxObjectBytes) return refuse_impossible(told.total, head);
  if (pin && told.total != pin->size) return refuse_size(pin->size, told.total, head);
  if (pin && tells_nothing_of(*pin, reply.version)) return refuse_change(silence_about(*pin), head);
  const ByteRange wanted{std::min(asked.begin, told.total), std::min(asked.end, told.total)};
  if (!(told.range == wanted)) {
    return refuse_for_now("asked for bytes " + range_text(wanted) +
                              ", the reply's Content-Range says " + range_text(told.range),
                          head);
  }
  if (head.content_length.has_value() && *head.content_length != told.range.size()) {
    return refuse_for_now("Content-Length " + std::to_string(*head.content_length) +
                              " does not fit Content-Range " + range_text(told.range),
                          head);
  }
  reply.range = told.range;
  reply.version.size = told.total;
  return reply;
}

namespace {

// A reply that tells of an object of that size.
CheckedReply check_size(const ResponseHead& head, std::uint64_t size, const AskedVersion& version) {
  if (size > kMaxObjectBytes) return refuse_impossible(size, head);
  CheckedReply reply;
  reply.range = {0, size};
  reply.version = version_of(head, size);
  if (version.listed == nullptr) return reply;
  const ObjectVersion listed = version_of(*version.listed);
  if (const auto changed = difference(listed, reply.version)) return refuse_change(*changed, head);
  if (size != listed.size) return refuse_size(listed.size, size, head);
  if (!head.is_success() || !tells_nothing_of(listed, reply.version)) return reply;
  return refuse_change(silence_about(listed), head);
}

CheckedReply check_first_byte(const ResponseHead& head, const AskedVersion& version) {
  // What says that there is no first byte need not have a version's headers.
  if (head.status == 416) {
    if (head.content_range && head.content_range->total.value_or(0) != 0)
      return refuse_for_good("416 to a GET of the first byte, though there is one", head);
    return check_size(head, 0, version);
  }
  if (is_bare(head)) return refuse_bare(version.replier, head);
  if (!is_of_version(head, version.id)) return refuse_version_id(head, version.id);
  if (tells_empty(head)) return check_size(head, 0, version);
  if (is_part(head, {0, 1}) && head.content_range && head.content_range->total)
    return check_size(head, *head.content_range->total, version);
  if (head.status == 200 && head.content_length && part_by_its_head(head).empty())
    return check_size(head, *head.content_length, version);
  return refuse_for_good(
      "neither HEAD nor a GET of the first byte tells the object's size: the store, or a gateway "
      "before it, sends no Content-Length and no total in Content-Range",
      head);
}

}  // namespace

CheckedReply check_head_reply(const ResponseHead& head, const AskedVersion& version) {
  if (is_bare(head)) return refuse_bare(version.replier, head, Next::kSize);
  if (!is_of_version(head, version.id)) return refuse_version_id(head, version.id);
  const bool is_empty =
      version.is_empty || (version.listed != nullptr && version.listed->size == 0);
  const bool is_doubtful = (head.object_size && head.object_size != head.content_length) ||
                           (is_empty_by_mistake(head) && !is_empty);
  if (head.status != 200 || !head.content_length || is_doubtful) {
    return refuse_for_good("the reply to HEAD has no usable Content-Length", head, Next::kSize);
  }
  return check_size(head, *head.content_length, version);
}

CheckedReply check_size_reply(const ResponseHead& head, const AskedVersion& version,
                              const ResponseHead* before) {
  CheckedReply reply = check_first_byte(head, version);
  if (before == nullptr || reply.failure || reply.version.is_marked()) return reply;
  reply.version = version_of(*before, reply.version.size);
  return reply;
}

bool is_bare(const ResponseHead& head) {
  return head.status == 200 && !head.is_of_store && !version_of(head, 0).is_marked();
}

bool tells_empty(const ResponseHead& head) {
  if (head.status == 416)
    return head.content_range && head.content_range->total == std::uint64_t{0};
  return head.status == 204 && head.content_length.value_or(0) == 0 && !head.bad_content_range &&
         (!head.content_range || head.content_range->total == std::uint64_t{0}) &&
         version_of(head, 0).is_marked();
}

Failure changed_object(const ResponseHead& head, std::string_view difference) {
  return failure(StatusCode::kObjectChanged, RetryClass::kNever,
                 "the object was overwritten since its version became known: " +
                     std::string(difference) + "; open it again",
                 head);
}

}  // namespace ossmc
