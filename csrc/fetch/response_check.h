// Response check: may the bytes of this reply be used for that range of that object? libcurl
// reports success for a 200 to a ranged GET, for another Content-Range and for a short one; so
// nothing is believed that was not checked here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fetch/object_version.h"
#include "protocol/error_reply.h"
#include "protocol/http.h"

namespace ossmc {

// Largest object that is believed: 1 PiB, 20 times what OSS stores (48.8 TB).
inline constexpr std::uint64_t kMaxObjectBytes = 1ULL << 50;

struct CheckedReply {
  std::optional<Failure> failure;  // set: use no byte of the body
  // What may be asked after a failure of an object's first request.
  enum class Next : std::uint8_t {
    kNothing,
    kSize,          // the reply does not tell the object's size, another one may
    kSizeIfLittle,  // it is longer than what was asked for; right if little was
  };
  Next next = Next::kNothing;
  ByteRange range;        // what the body holds
  ObjectVersion version;  // as this reply tells it
};

// Which version a request is about.
struct AskedVersion {
  std::string_view id = {};               // not empty: of that id
  const ListedVersion* listed = nullptr;  // set: of that size and ETag
  bool is_empty = false;                  // as another reply has said
  Replier replier = {};                   // for texts
};

// `asked` is the range of the request, whose end may pass the object's end only when `known` is
// null (the first request of an object). REQUIRES: head.is_success().
CheckedReply check_range_reply(const ResponseHead& head, ByteRange asked,
                               const ObjectVersion* known, const AskedVersion& version = {});

// A 200 that has nothing of an object: no header of a store, nothing that tells versions apart. So
// a login page or a web server answers, whatever is asked for.
bool is_bare(const ResponseHead& head);

// For a HEAD. Next::kSize: it tells no size, or nothing of an object. REQUIRES: head.status is 200
// or 204.
CheckedReply check_head_reply(const ResponseHead& head, const AskedVersion& version = {});

// For a GET of the first byte, sent to learn the size alone; any status. `before`: of the HEAD that
// did not tell it, which may tell the version where this one does not.
CheckedReply check_size_reply(const ResponseHead& head, const AskedVersion& version = {},
                              const ResponseHead* before = nullptr);

// Is this how a store answers a ranged GET of an empty object, but with 200 or 206? 416 with
// "bytes */0", or 204 of something that has a version.
bool tells_empty(const ResponseHead& head);

// The reply is of another version than the one that is read.
Failure changed_object(const ResponseHead& head, std::string_view difference);

}  // namespace ossmc
