#include "protocol/content_range.h"

#include <gtest/gtest.h>

#include <limits>

namespace ossmc {
namespace {

ContentRange told(std::uint64_t begin, std::uint64_t end, std::uint64_t total) {
  return {ByteRange{begin, end}, total};
}

TEST(ContentRange, FormatsTheInclusiveForm) {
  EXPECT_EQ(format_range_header({0, 1}), "bytes=0-0");
  EXPECT_EQ(format_range_header({500, 1000}), "bytes=500-999");
  EXPECT_EQ(format_range_header({0, 1ULL << 63}), "bytes=0-9223372036854775807");
}

TEST(ContentRange, ParsesWhatAServerSends) {
  EXPECT_EQ(parse_content_range("bytes 0-0/1"), told(0, 1, 1));
  EXPECT_EQ(parse_content_range("bytes 500-999/1000"), told(500, 1000, 1000));
  EXPECT_EQ(parse_content_range("bytes 0-9223372036854775805/9223372036854775807"),
            told(0, 9223372036854775806, 9223372036854775807));
  EXPECT_EQ(
      parse_content_range("bytes 9223372036854775806-9223372036854775806/9223372036854775807"),
      told(9223372036854775806, 9223372036854775807, 9223372036854775807));
  EXPECT_EQ(parse_content_range("BYTES 0-0/1"), told(0, 1, 1));
}

TEST(ContentRange, EitherSideMayBeUnknown) {
  EXPECT_EQ(parse_content_range("bytes 0-9/*"), (ContentRange{ByteRange{0, 10}, std::nullopt}));
  EXPECT_EQ(parse_content_range("bytes */1000"), (ContentRange{std::nullopt, 1000}));
}

TEST(ContentRange, OfAnEmptyObjectHasNoBytesHoweverItIsPut) {
  for (const char* text : {"bytes */0", "bytes 0-0/0", "bytes 0--1/0"})
    EXPECT_EQ(parse_content_range(text), (ContentRange{std::nullopt, 0})) << text;
}

TEST(ContentRange, RefusesEverythingElse) {
  for (const char* text : {
           "",
           "bytes",
           "bytes ",
           "bytes */*",
           "bytes 0-9",
           "bytes 0/9",
           "bytes 9-0/10",   // backwards
           "bytes 0-10/10",  // past the total
           "bytes 0-1/0",
           "bytes 1-1/0",
           "bytes 0--1/*",
           "bytes 9-0/*",
           "bytes 0-9/10,0-9/10",
           "bytes  0-9/10",
           "bytes 0 -9/10",
           "bytes 0-9 /10",
           "bytes 0-9/ 10",
           "bytes 0-9/10 ",
           " bytes 0-9/10",
           "bytes=0-9/10",
           "byte 0-9/10",
           "items 0-9/10",
           "bytes -9/10",
           "bytes 0-/10",
           "bytes 0-9/",
           "bytes +0-9/10",
           "bytes 0--9/10",
           "bytes 0x0-0x9/0x10",
           "bytes 0-9/9223372036854775808",
           "bytes 0-9223372036854775808/9223372036854775809",
           "bytes 18446744073709551616-18446744073709551617/18446744073709551618",
           "bytes 0-9/10/10",
           "bytes 0/9-10",
       }) {
    EXPECT_FALSE(parse_content_range(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace ossmc
