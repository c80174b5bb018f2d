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
  if (!text.starts_with(kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const std::size_t dash = text.find('-');
  const std::size_t slash = text.find('/');
  if (dash == text.npos || slash == text.npos || dash > slash) return std::nullopt;
  const auto first = parse_decimal(text.substr(0, dash), kMaxOffset);
  const auto last = parse_decimal(text.substr(dash + 1, slash - dash - 1), kMaxOffset);
  const auto total = parse_decimal(text.substr(slash + 1), kMaxOffset);
  if (!first || !last || !total || *first > *last || *last >= *total) return std::nullopt;
  return ContentRange{{*first, *last + 1}, *total};
}

}  // namespace ossmc
