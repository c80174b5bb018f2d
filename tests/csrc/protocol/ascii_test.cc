#include "protocol/ascii.h"

#include <gtest/gtest.h>

namespace ossmc {
namespace {

TEST(Ascii, LowerCaseTouchesLettersOfAsciiAlone) {
  EXPECT_EQ(to_ascii_lower("AZ-az_09\xC3\x84"), "az-az_09\xC3\x84");
  EXPECT_TRUE(equal_ignoring_case("Content-Length", "content-LENGTH"));
  EXPECT_FALSE(equal_ignoring_case("ETag", "ETags"));
  EXPECT_TRUE(equal_ignoring_case("", ""));
}

TEST(Ascii, TrimsAndCollapsesBlanks) {
  EXPECT_EQ(trim_blanks(" \t\r\n a b \n"), "a b");
  EXPECT_EQ(trim_blanks(" \t"), "");
  EXPECT_EQ(collapse_blanks("  one\n\n two\t three \r\n"), "one two three");
  EXPECT_EQ(collapse_blanks("\n"), "");
}

TEST(Ascii, DecimalIsDigitsAloneAndChecked) {
  EXPECT_EQ(parse_decimal("0"), 0u);
  EXPECT_EQ(parse_decimal("18446744073709551615"), 18446744073709551615u);
  EXPECT_EQ(parse_decimal("007"), 7u);
  EXPECT_EQ(parse_decimal("65535", 65535), 65535u);
  for (const char* text : {"", " 1", "1 ", "+1", "-1", "1.0", "0x1", "1e3", "18446744073709551616",
                           "99999999999999999999999999"}) {
    EXPECT_FALSE(parse_decimal(text).has_value()) << text;
  }
  EXPECT_FALSE(parse_decimal("65536", 65535).has_value());
}

TEST(Ascii, HexDigits) {
  EXPECT_EQ(hex_digit_value('0'), 0);
  EXPECT_EQ(hex_digit_value('a'), 10);
  EXPECT_EQ(hex_digit_value('F'), 15);
  EXPECT_EQ(hex_digit_value('g'), -1);
  EXPECT_EQ(hex_digit_value('\xFF'), -1);
}

TEST(Ascii, WordsThatDifferByALetter) {
  for (const auto& [a, b] : {std::pair{"hangzhou", "hangzou"},
                             {"hangzhou", "hangzhoou"},
                             {"hangzhou", "hangzhuo"},
                             {"hangzhou", "hangzhoa"},
                             {"a", ""}}) {
    EXPECT_TRUE(differs_by_a_letter(a, b)) << a << " " << b;
    EXPECT_TRUE(differs_by_a_letter(b, a)) << a << " " << b;
  }
  for (const auto& [a, b] : {std::pair{"hangzhou", "hangzhou"},
                             {"southeast-1", "southeast-2"},
                             {"hangzhou", "hangzh"},
                             {"ab", "cd"},
                             {"wuhan", "wuhan-lr"},
                             {"", ""}}) {
    EXPECT_FALSE(differs_by_a_letter(a, b)) << a << " " << b;
    EXPECT_FALSE(differs_by_a_letter(b, a)) << a << " " << b;
  }
}

}  // namespace
}  // namespace ossmc
