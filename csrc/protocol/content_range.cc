#include "protocol/content_range.h"

#include <limits>

#include "protocol/ascii.h"

namespace ossmc {

namespace {

// Offsets stay below 2^63, so that they fit off_t and Python's Py_ssize_t.
constexpr auto kMaxOffset = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

}  // namespace

std::string format_range_header(ByteRange range) {
  return "bytes=" + std::to_string(range.begin) + "-" + std::to_string(range.end - 1);
}

std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!equal_ignoring_case(text.substr(0, kUnit.size()), kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const std::size_t slash = text.find('/');
  if (slash == text.npos) return std::nullopt;
  const std::string_view bytes = text.substr(0, slash);
  ContentRange told;
  if (text.substr(slash + 1) != "*") {
    told.total = parse_decimal(text.substr(slash + 1), kMaxOffset);
    if (!told.total) return std::nullopt;
  }
  if (told.total && (bytes == "*" || (*told.total == 0 && (bytes == "0-0" || bytes == "0--1"))))
    return told;
  const std::size_t dash = bytes.find('-');
  if (dash == bytes.npos) return std::nullopt;
  const auto first = parse_decimal(bytes.substr(0, dash), kMaxOffset);
  const auto last = parse_decimal(bytes.substr(dash + 1), kMaxOffset);
  if (!first || !last || *first > *last || (told.total && *last >= *told.total))
    return std::nullopt;
  told.range = ByteRange{*first, *last + 1};
  return told;
}

}  // namespace ossmc
