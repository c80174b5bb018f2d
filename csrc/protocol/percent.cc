#include "protocol/percent.h"

#include "protocol/ascii.h"

namespace ossmc {

namespace {

constexpr bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || is_ascii_digit(c) || c == '-' ||
         c == '_' || c == '.' || c == '~';
}

std::string encode(std::string_view bytes, bool keep_slash) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 2);
  for (const char c : bytes) {
    if (is_unreserved(c) || (keep_slash && c == '/')) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 0xF]);
  }
  return out;
}

}  // namespace

std::string percent_encode(std::string_view bytes) { return encode(bytes, false); }

std::string percent_encode_path(std::string_view bytes) { return encode(bytes, true); }

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out(text);
  const std::optional<std::size_t> size = percent_decode_in_place(out);
  if (!size) return std::nullopt;
  out.resize(*size);
  return out;
}

std::optional<std::size_t> percent_decode_in_place(std::span<char> text) {
  const std::size_t size = text.size();
  std::size_t from = 0;
  while (from < size && text[from] != '%') ++from;
  std::size_t to = from;
  while (from < size) {
    if (text[from] != '%') {
      text[to++] = text[from++];
      continue;
    }
    if (size - from < 3) return std::nullopt;
    const int high = hex_digit_value(text[from + 1]);
    const int low = hex_digit_value(text[from + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    text[to++] = static_cast<char>(high * 16 + low);
    from += 3;
  }
  return to;
}

}  // namespace ossmc
