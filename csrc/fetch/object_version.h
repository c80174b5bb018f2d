// ObjectVersion: one version of one object, and by what replies are known to be of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ossmc {

// Every byte handed out belongs to exactly one.
struct ObjectVersion {
  std::uint64_t size = 0;
  std::string etag;                    // strong; empty: none
  std::string weak_etag;               // what stands in a weak one; empty: none
  std::optional<std::uint64_t> crc64;  // of the whole object; absent on old objects and symlinks
  std::string last_modified;           // as sent
  std::string storage_class;
  std::string version_id;  // empty outside of versioned buckets
  // Size, ETag and Last-Modified are by a listing, which does not tell the rest.
  bool is_listed = false;

  // Is there anything that tells it from others of its size?
  bool is_marked() const {
    return !etag.empty() || !weak_etag.empty() || crc64.has_value() || !last_modified.empty() ||
           !version_id.empty();
  }
};

// What a listing tells of a version. Its ETag is strong, and not empty.
struct ListedVersion {
  std::uint64_t size = 0;
  std::string etag;
  double last_modified_unix = 0;  // 0: not told
};
ObjectVersion version_of(const ListedVersion& listed);

// Where the marks that both have differ: "ETag was ..., is ...". Nothing: they may be one version.
// Equal strong ETags settle it. Weak ones are compared as texts, with all others that there are:
// CRC-64, version id, Last-Modified. Sizes are not looked at.
std::optional<std::string> difference(const ObjectVersion& known, const ObjectVersion& told);
// Has `known` a strong ETag, and `told` nothing that could be compared with it or with other marks?
bool tells_nothing_of(const ObjectVersion& known, const ObjectVersion& told);
// What to say then, as difference() would.
std::string silence_about(const ObjectVersion& known);
// Has `told` marks that `known` lacks? And puts them to it.
bool has_more_marks(const ObjectVersion& known, const ObjectVersion& told);
void add_marks(ObjectVersion& known, const ObjectVersion& told);

}  // namespace ossmc
