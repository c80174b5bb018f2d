#include "stress/stress_objects.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/crc64.h"
#include "support/csrc/pattern.h"

namespace ossmc {

namespace {
// The runs have chunks of 4096 bytes and a little more.
constexpr std::size_t kSizes[] = {0, 0, 1, 4095, 4096, 4097, 2 * 4096, 20'000, 16'384, 65'537,
                                  99'999, 300'001,
                                  // A read of all is a large one, which no chunk is claimed for.
                                  1'100'000};
constexpr std::size_t kObjects = 39;
}  // namespace

bool StressObject::matches(std::uint64_t offset, std::span<const std::byte> got) const {
  return got.empty() || std::memcmp(bytes.data() + offset, got.data(), got.size()) == 0;
}

StressObjects::StressObjects() {
  for (std::size_t i = 0; i < kObjects; ++i) {
    StressObject& object = objects_.emplace_back();
    object.key = "o" + std::to_string(i);
    object.etag = "\"E" + std::to_string(i) + "\"";
    object.bytes = pattern_string(i, 0, kSizes[i % std::size(kSizes)]);
    object.crc64 = crc64_update(0, object.bytes.data(), object.bytes.size());
  }
}

const StressObject* StressObjects::find(std::string_view key) const {
  const auto found = std::find_if(objects_.begin(), objects_.end(),
                                  [key](const StressObject& object) { return object.key == key; });
  return found == objects_.end() ? nullptr : &*found;
}

}  // namespace ossmc
