// StressObjects: what the store of a stress test has: many small objects of pattern data, several
// of them empty, and sizes around the ends of chunks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ossmc {

struct StressObject {
  std::string key;
  std::string etag;  // as it stands in a header
  std::string bytes;
  std::uint64_t crc64 = 0;

  std::string uri() const { return "oss://bucket/" + key; }
  // REQUIRES: the range lies within the object.
  bool matches(std::uint64_t offset, std::span<const std::byte> got) const;
};

// Constant after construction.
class StressObjects {
 public:
  StressObjects();

  const StressObject& operator[](std::size_t index) const { return objects_[index]; }
  std::size_t size() const { return objects_.size(); }
  const StressObject* find(std::string_view key) const;  // null: there is none

 private:
  std::vector<StressObject> objects_;
};

}  // namespace ossmc
