#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace ossmc {
namespace {

TEST(Utf8, TakesAllFourSizes) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("a\xC3\xA4\xE4\xBD\xA0\xF0\x9F\x98\x80"));
  EXPECT_TRUE(is_utf8(std::string("\0", 1)));
  const Utf8Sequence smile = decode_utf8_sequence("\xF0\x9F\x98\x80!");
  EXPECT_EQ(smile.size, 4u);
  EXPECT_EQ(smile.point, U'\U0001F600');
}

TEST(Utf8, EncodesWhatItDecodes) {
  for (const char32_t point : {U'\0', U'a', U'\x7f', U'\u0080', U'\u07ff', U'\u0800', U'\u6570',
                               U'\uffff', U'\U00010000', U'\U0001F600', U'\U0010FFFF'}) {
    char bytes[4];
    const auto size = static_cast<std::size_t>(encode_utf8(point, bytes) - bytes);
    const Utf8Sequence sequence = decode_utf8_sequence({bytes, size});
    EXPECT_EQ(sequence.size, size);
    EXPECT_EQ(sequence.point, point);
  }
}

TEST(Utf8, RefusesWhatRfc3629Refuses) {
  for (const char* bytes : {
           "\x80",              // a continuation alone
           "\xC0\x80",          // overlong NUL
           "\xC1\xBF",          // overlong
           "\xE0\x80\x80",      // overlong
           "\xF0\x80\x80\x80",  // overlong
           "\xED\xA0\x80",      // a lone surrogate
           "\xF4\x90\x80\x80",  // above U+10FFFF
           "\xF8\x88\x80\x80\x80",
           "\xC3",          // cut off
           "\xE4\xBD",      // cut off
           "\xE4\x41\x41",  // not continued
           "\xFF",
       }) {
    EXPECT_FALSE(is_utf8(bytes)) << bytes;
  }
}

}  // namespace
}  // namespace ossmc
