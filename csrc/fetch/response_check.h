// Response check: may the bytes of this reply be used for that range of that object? libcurl
// reports success for a 200 to a ranged GET, for another Content-Range and for a short one; so
// nothing is believed that was not checked here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/error_reply.h"
#include "protocol/http.h"

namespace ossmc {

// One version of one object. Every byte handed out belongs to exactly one.
struct ObjectVersion {
  std::uint64_t size = 0;
  std::string etag;
  std::optional<std::uint64_t> crc64;  // of the whole object; absent on old objects and symlinks
  std::string last_modified;           // as sent
  std::string storage_class;
  std::string version_id;  // empty outside of versioned buckets
  // Size and ETag are by a listing, which does not tell the rest.
  bool is_listed = false;
};

// What a listing tells of a version. Its ETag is strong, and not empty.
struct ListedVersion {
  std::uint64_t size = 0;
  std::string etag;
};

// Largest object that is believed: 1 PiB, 20 times what OSS stores (48.8 TB).
inline constexpr std::uint64_t kMaxObjectBytes = 1ULL << 50;

struct CheckedReply {
  std::optional<Failure> failure;  // set: use no byte of the body
  ByteRange range;                 // what the body holds
  ObjectVersion version;           // as this reply tells it
};

// Which version a request is about.
struct AskedVersion {
  std::string_view id = {};               // not empty: of that id
  const ListedVersion* listed = nullptr;  // set: of that size and ETag
};

// `asked` is the range of the request, whose end may pass the object's end only when `known` is
// null (the first request of an object). REQUIRES: head.is_success().
CheckedReply check_range_reply(const ResponseHead& head, ByteRange asked,
                               const ObjectVersion* known, const AskedVersion& version = {});

// For a HEAD. REQUIRES: head.status == 200.
CheckedReply check_head_reply(const ResponseHead& head, const AskedVersion& version = {});

}  // namespace ossmc
