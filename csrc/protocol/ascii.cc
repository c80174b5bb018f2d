#include "protocol/ascii.h"

#include <algorithm>

namespace ossmc {

std::string to_ascii_lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), ascii_lower);
  return lower;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
}

std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && is_ascii_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_ascii_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string collapse_blanks(std::string_view text) {
  text = trim_blanks(text);
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (!is_ascii_blank(c)) {
      out.push_back(c);
    } else if (out.back() != ' ') {  // not empty: `text` begins with no blank
      out.push_back(' ');
    }
  }
  return out;
}

bool differs_by_a_letter(std::string_view a, std::string_view b) {
  const auto common = static_cast<std::size_t>(
      std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  a.remove_prefix(common);
  b.remove_prefix(common);
  while (!a.empty() && !b.empty() && a.back() == b.back()) {
    a.remove_suffix(1);
    b.remove_suffix(1);
  }
  const std::string rest = std::string(a).append(b);
  const bool is_all_letters = std::all_of(rest.begin(), rest.end(), [](char c) {
    return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
  });
  if (rest.empty() || !is_all_letters) return false;
  if (a.size() <= 1 && b.size() <= 1) return true;
  return a.size() == 2 && b.size() == 2 && a[0] == b[1] && a[1] == b[0];
}

std::optional<std::uint64_t> parse_decimal(std::string_view text, std::uint64_t max) {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_ascii_digit(c)) return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (__builtin_mul_overflow(value, std::uint64_t{10}, &value) ||
        __builtin_add_overflow(value, digit, &value) || value > max) {
      return std::nullopt;
    }
  }
  return value;
}

int hex_digit_value(char c) {
  if (is_ascii_digit(c)) return c - '0';
  const char lower = ascii_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace ossmc
