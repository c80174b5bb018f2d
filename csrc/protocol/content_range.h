// Byte ranges on the wire. Everywhere else in the core a range is half-open, [begin, end); the
// inclusive form of HTTP exists in these two functions only (RFC 9110 section 14).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ossmc {

struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  // exclusive
  std::uint64_t size() const { return end - begin; }
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

// What a reply holds of how many bytes. One of the two is there.
struct ContentRange {
  std::optional<ByteRange> range;      // nothing: "*", as in a 416, or none of an empty object
  std::optional<std::uint64_t> total;  // nothing: "*", the sender does not know
  friend bool operator==(const ContentRange&, const ContentRange&) = default;
};

// "bytes=a-b". REQUIRES: range.begin < range.end.
std::string format_range_header(ByteRange range);

// "bytes a-b/total", either side "*"; for an empty object also what gateways make of it, "0-0/0"
// and "0--1/0". Nothing for any other text: another unit, blanks inside, a > b, b >= total, more
// than 63 bits.
std::optional<ContentRange> parse_content_range(std::string_view text);

}  // namespace ossmc
