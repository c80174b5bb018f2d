// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <string_view>

namespace ossmc {

struct Utf8Sequence {
  std::size_t size = 0;  // bytes; 0: what begins here is not UTF-8
  char32_t point = 0;
};

// The sequence at the start of `bytes`. REQUIRES: not empty.
Utf8Sequence decode_utf8_sequence(std::string_view bytes);
bool is_utf8(std::string_view bytes);
// Writes the sequence of `point`, at most 4 bytes; the position behind it. REQUIRES: a code point
// that is no surrogate.
char* encode_utf8(char32_t point, char* to);

}  // namespace ossmc
