// ASCII text: what names, numbers and values of HTTP and XML are made of. No locale has a say.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace ossmc {

constexpr bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }
// Space, tab, line feed, carriage return.
constexpr bool is_ascii_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string to_ascii_lower(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);
// `text` without the blanks at its ends.
std::string_view trim_blanks(std::string_view text);
// `text` trimmed, each run of blanks inside it made one space.
std::string collapse_blanks(std::string_view text);

// One letter is missing, too many or another one, or two that follow each other have changed
// places.
bool differs_by_a_letter(std::string_view a, std::string_view b);

// Digits only, at least one: no sign, no blank. Nothing when the number is above `max`.
std::optional<std::uint64_t> parse_decimal(
    std::string_view text, std::uint64_t max = std::numeric_limits<std::uint64_t>::max());
// 0 to 15; -1: no hex digit.
int hex_digit_value(char c);

}  // namespace ossmc
