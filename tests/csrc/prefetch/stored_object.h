// StoredObject: what the store of a random schedule has under a key, version after version.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "support/csrc/chance.h"
#include "support/csrc/fake_transport.h"

namespace ossmc {

struct StoredVersion {
  FakeObject fake;
  std::optional<std::uint64_t> crc;  // that the store tells
};

struct StoredObject {
  const StoredVersion& now() const { return versions.back(); }
  // One of all there ever were; null: there never was one like that.
  const StoredVersion* version(const std::string& etag, std::uint64_t size) const;

  std::string key;
  bool is_missing = false;
  // No two of them have both ETag and size in common, nor a byte. They stay where they are.
  std::deque<StoredVersion> versions;
};

struct ObjectChances {
  std::uint64_t chunk_bytes = 0;  // which sizes lie near multiples of
  bool may_be_missing = false;
  bool may_have_wrong_crc = false;
};

StoredObject draw_object(std::uint64_t number, const ObjectChances& chances, Chance& chance);
// It becomes another. `keeps_etag`: of another size then.
void change_object(StoredObject& object, bool keeps_etag, const ObjectChances& chances,
                   Chance& chance);

}  // namespace ossmc
