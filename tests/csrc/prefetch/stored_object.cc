#include "csrc/prefetch/stored_object.h"

#include <algorithm>
#include <utility>

#include "base/crc64.h"
#include "support/csrc/pattern.h"

namespace ossmc {

namespace {

// More than an object has in any run.
constexpr std::uint64_t kMostVersions = 1u << 20;

std::uint64_t some_size(std::uint64_t chunk_bytes, Chance& chance) {
  const std::uint64_t chunks = chance.one_in(8) ? 1 + chance.below(40) : 1 + chance.below(6);
  switch (chance.below(8)) {
    case 0:
      return chance.below(3);  // empty, or next to it
    case 1:
      return chunks * chunk_bytes - 1;
    case 2:
      return chunks * chunk_bytes;
    case 3:
      return chunks * chunk_bytes + 1;
    case 4:
      return 1 + chance.below(chunk_bytes);
    default:
      return 1 + chance.below(chunks * chunk_bytes);
  }
}

// A little more or less, as much, or any other.
std::uint64_t next_size(std::uint64_t size, std::uint64_t chunk_bytes, Chance& chance) {
  const std::uint64_t step = 1 + chance.below(2 * chunk_bytes);
  switch (chance.below(4)) {
    case 0:
      return size;
    case 1:
      return size + step;
    case 2:
      return size - std::min(size, step);
    default:
      return some_size(chunk_bytes, chance);
  }
}

std::optional<std::uint64_t> some_crc(const FakeObject& fake, const ObjectChances& chances,
                                      Chance& chance) {
  if (chance.one_in(3)) return std::nullopt;
  const std::string bytes = pattern_string(fake.seed, 0, fake.size);
  const std::uint64_t crc = crc64_update(0, bytes.data(), bytes.size());
  return chances.may_have_wrong_crc && chance.one_in(3) ? crc ^ 1 : crc;
}

}  // namespace

const StoredVersion* StoredObject::version(const std::string& etag, std::uint64_t size) const {
  const auto found = std::find_if(versions.begin(), versions.end(), [&](const StoredVersion& one) {
    return one.fake.etag == etag && one.fake.size == size;
  });
  return found == versions.end() ? nullptr : &*found;
}

StoredObject draw_object(std::uint64_t number, const ObjectChances& chances, Chance& chance) {
  StoredObject object;
  object.key = "o" + std::to_string(number);
  StoredVersion version;
  version.fake = {.size = some_size(chances.chunk_bytes, chance),
                  .seed = number * kMostVersions,
                  .etag = "E" + std::to_string(number)};
  object.is_missing = chances.may_be_missing && chance.one_in(6);
  version.crc = some_crc(version.fake, chances, chance);
  object.versions.push_back(std::move(version));
  return object;
}

void change_object(StoredObject& object, bool keeps_etag, const ObjectChances& chances,
                   Chance& chance) {
  StoredVersion version;
  version.fake = object.now().fake;
  ++version.fake.seed;
  if (!keeps_etag) version.fake.etag += "x";
  do {
    version.fake.size = next_size(version.fake.size, chances.chunk_bytes, chance);
  } while (object.version(version.fake.etag, version.fake.size) != nullptr);
  version.crc = some_crc(version.fake, chances, chance);
  object.versions.push_back(std::move(version));
}

}  // namespace ossmc
