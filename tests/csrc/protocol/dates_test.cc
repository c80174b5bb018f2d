#include "protocol/dates.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>

namespace ossmc {
namespace {

TEST(Dates, FormatsAsTheReferenceShows) {
  EXPECT_EQ(format_http_date(1717291805), "Sun, 02 Jun 2024 01:30:05 GMT");
  EXPECT_EQ(format_iso_basic(1717291805), "20240602T013005Z");
  EXPECT_EQ(format_http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(format_iso_basic(951782400), "20000229T000000Z");
}

TEST(Dates, FormattingRoundsDownAndClamps) {
  EXPECT_EQ(format_iso_milliseconds(1717291805.9996), "2024-06-02T01:30:05.999Z");
  EXPECT_EQ(format_iso_milliseconds(1717291805), "2024-06-02T01:30:05.000Z");
  EXPECT_EQ(format_iso_milliseconds(-0.5), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_iso_milliseconds(std::nan("")), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_iso_milliseconds(1e300), "9999-12-31T23:59:59.000Z");
  EXPECT_EQ(format_iso_basic(1717291805.999), "20240602T013005Z");
  EXPECT_EQ(format_iso_basic(-1), "19700101T000000Z");
  EXPECT_EQ(format_iso_basic(std::nan("")), "19700101T000000Z");
  EXPECT_EQ(format_iso_basic(std::numeric_limits<double>::infinity()), "99991231T235959Z");
  EXPECT_EQ(format_iso_basic(1e300), "99991231T235959Z");
}

TEST(Dates, HttpDatesRoundTrip) {
  // A prime number of seconds, so that all fields move; 1970 to 2106.
  for (std::int64_t t = 0; t < 4294967296; t += 7654321) {
    const auto seconds = static_cast<double>(t);
    ASSERT_EQ(parse_http_date(format_http_date(seconds)), seconds);
  }
}

TEST(Dates, HttpDateTakesOneFormAlone) {
  EXPECT_EQ(parse_http_date(" Sun, 02 Jun 2024 01:30:05 GMT "), 1717291805);
  for (const char* text : {
           "",
           "Sun, 2 Jun 2024 01:30:05 GMT",
           "Sun, 02 Jun 2024 01:30:05",
           "Sun, 02 Jun 2024 01:30:05 UTC",
           "Sun, 02 Jun 2024 01:30:05 GMTx",
           "Sunday, 02-Jun-24 01:30:05 GMT",
           "Sun Jun  2 01:30:05 2024",
           "Son, 02 Jun 2024 01:30:05 GMT",
           "Sun, 02 Juni 2024 01:30:05 GMT",
           "Sun, 30 Feb 2024 01:30:05 GMT",
           "Sun, 00 Jun 2024 01:30:05 GMT",
           "Sun, 02 Jun 2024 24:30:05 GMT",
           "Sun, 02 Jun 2024 01:60:05 GMT",
           "Sun, 02 Jun 2024 01:30:61 GMT",
           "Sun, +2 Jun 2024 01:30:05 GMT",
           "Sun, 02 Jun 20240 1:30:05 GMT",
       }) {
    EXPECT_FALSE(parse_http_date(text).has_value()) << text;
  }
}

TEST(Dates, IsoDates) {
  EXPECT_EQ(parse_iso_date("2012-02-24T08:43:07.000Z"), 1330072987);
  EXPECT_EQ(parse_iso_date("2012-02-24T08:43:07Z"), 1330072987);
  EXPECT_EQ(parse_iso_date("1970-01-01T00:00:00.5Z"), 0.5);
  EXPECT_EQ(parse_iso_date("2016-12-31T23:59:60Z"), 1483228800);  // a leap second
  EXPECT_EQ(parse_iso_date(" 2000-02-29T00:00:00Z\n"), 951782400);
  for (const char* text : {
           "",
           "2012-02-24",
           "2012-02-24T08:43:07",
           "2012-02-24T08:43:07+00:00",
           "2012-02-24T08:43:07.Z",
           "2012-02-24T08:43:07.0000000000Z",
           "2012-02-24T08:43:07.1234567890123456789012345678901234567890Z",
           "2012-02-24 08:43:07Z",
           "2012-13-24T08:43:07Z",
           "2012-00-24T08:43:07Z",
           "2011-02-29T08:43:07Z",
           "2012-02-24T08:43:07ZZ",
           "12-02-24T08:43:07Z",
           "2012-02-24t08:43:07z",
       }) {
    EXPECT_FALSE(parse_iso_date(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace ossmc
