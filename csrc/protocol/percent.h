// Percent-encoding as OSS signs and decodes it: UTF-8 bytes, unreserved kept, %XX upper case, a
// blank is %20, never '+'.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ossmc {

// Keeps A-Z a-z 0-9 - _ . ~
std::string percent_encode(std::string_view bytes);
// The same with '/' kept: for object keys in paths.
std::string percent_encode_path(std::string_view bytes);
// Decodes exactly once; '+' stays '+'. Nothing if a '%' is not followed by two hex digits.
std::optional<std::string> percent_decode(std::string_view text);
// The same where the text lies: gives the length of what it became.
std::optional<std::size_t> percent_decode_in_place(std::span<char> text);

}  // namespace ossmc
