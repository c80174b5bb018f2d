#include "fetch/object_version.h"

#include <cmath>
#include <string_view>

#include "protocol/any_date.h"
#include "protocol/dates.h"
#include "protocol/object_name.h"

namespace ossmc {

namespace {

// Between a listing's time, which may have fractions, and a header's, which was cut or rounded.
constexpr double kRoundedSeconds = 1.0;

std::string_view tag_of(const ObjectVersion& version) {
  return version.etag.empty() ? version.weak_etag : version.etag;
}

std::string was_and_is(std::string_view what, std::string_view was, std::string_view is) {
  return std::string(what) + " was " + in_quotes(was) + ", is " + in_quotes(is);
}

bool same_time(const ObjectVersion& known, const ObjectVersion& told) {
  if (known.last_modified == told.last_modified) return true;
  const auto was = parse_any_date(known.last_modified);
  const auto is = parse_any_date(told.last_modified);
  return was && is && std::abs(*was - *is) <= (known.is_listed ? kRoundedSeconds : 0.0);
}

bool both(const std::string& one, const std::string& other) {
  return !one.empty() && !other.empty();
}

// What both have but a strong ETag.
bool shares_marks(const ObjectVersion& known, const ObjectVersion& told) {
  return both(known.version_id, told.version_id) || (known.crc64 && told.crc64) ||
         both(known.last_modified, told.last_modified);
}

}  // namespace

ObjectVersion version_of(const ListedVersion& listed) {
  ObjectVersion version;
  version.size = listed.size;
  version.etag = listed.etag;
  if (listed.last_modified_unix > 0)
    version.last_modified = format_http_date(listed.last_modified_unix);
  version.is_listed = true;
  return version;
}

std::optional<std::string> difference(const ObjectVersion& known, const ObjectVersion& told) {
  const std::string_view was = tag_of(known);
  const std::string_view is = tag_of(told);
  if (!was.empty() && !is.empty()) {
    if (was != is) return was_and_is("ETag", was, is);
    if (both(known.etag, told.etag)) return std::nullopt;
  }
  if (known.crc64 && told.crc64 && *known.crc64 != *told.crc64) {
    return was_and_is("x-oss-hash-crc64ecma", std::to_string(*known.crc64),
                      std::to_string(*told.crc64));
  }
  if (both(known.version_id, told.version_id) && known.version_id != told.version_id)
    return was_and_is("x-oss-version-id", known.version_id, told.version_id);
  if (both(known.last_modified, told.last_modified) && !same_time(known, told))
    return was_and_is("Last-Modified", known.last_modified, told.last_modified);
  return std::nullopt;
}

std::string silence_about(const ObjectVersion& known) {
  return "ETag was " + in_quotes(known.etag) + ", and the reply tells nothing of it";
}

bool tells_nothing_of(const ObjectVersion& known, const ObjectVersion& told) {
  return !known.etag.empty() && tag_of(told).empty() && !shares_marks(known, told);
}

bool has_more_marks(const ObjectVersion& known, const ObjectVersion& told) {
  return (known.etag.empty() && !told.etag.empty()) ||
         (known.weak_etag.empty() && !told.weak_etag.empty()) || (!known.crc64 && told.crc64) ||
         (known.last_modified.empty() && !told.last_modified.empty()) ||
         (known.version_id.empty() && !told.version_id.empty());
}

void add_marks(ObjectVersion& known, const ObjectVersion& told) {
  if (known.etag.empty()) known.etag = told.etag;
  if (known.weak_etag.empty()) known.weak_etag = told.weak_etag;
  if (!known.crc64) known.crc64 = told.crc64;
  if (known.last_modified.empty()) known.last_modified = told.last_modified;
  if (known.version_id.empty()) known.version_id = told.version_id;
}

}  // namespace ossmc
