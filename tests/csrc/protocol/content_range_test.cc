#include "protocol/content_range.h"

#include <gtest/gtest.h>

#include <limits>

namespace ossmc {
namespace {

TEST(ContentRange, FormatsTheInclusiveForm) {
  EXPECT_EQ(format_range_header({0, 1}), "bytes=0-0");
  EXPECT_EQ(format_range_header({500, 1000}), "bytes=500-999");
  EXPECT_EQ(format_range_header({0, 1ULL << 63}), "bytes=0-9223372036854775807");
}

TEST(ContentRange, ParsesWhatAServerSends) {
  EXPECT_EQ(parse_content_range("bytes 0-0/1"), (ContentRange{{0, 1}, 1}));
  EXPECT_EQ(parse_content_range("bytes 500-999/1000"), (ContentRange{{500, 1000}, 1000}));
  EXPECT_EQ(parse_content_range("bytes 0-9223372036854775805/9223372036854775807"),
            (ContentRange{{0, 9223372036854775806}, 9223372036854775807}));
  EXPECT_EQ(
      parse_content_range("bytes 9223372036854775806-9223372036854775806/9223372036854775807"),
      (ContentRange{{9223372036854775806, 9223372036854775807}, 9223372036854775807}));
}

TEST(ContentRange, RefusesEverythingElse) {
  for (const char* text : {
           "",
           "bytes",
           "bytes ",
           "bytes */1000",
           "bytes 0-9/*",
           "bytes */*",
           "bytes 0-9",
           "bytes 0/9",
           "bytes 9-0/10",   // backwards
           "bytes 0-10/10",  // past the total
           "bytes 0-0/0",    // of an empty object
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
