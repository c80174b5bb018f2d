#include "protocol/http.h"

#include <gtest/gtest.h>

namespace ossmc {
namespace {

TEST(ResponseHead, ReadsWhatARangedGetBrings) {
  const ResponseHead head =
      parse_response_head(206, {{"Server", "AliyunOSS"},
                                {"Date", "Sun, 02 Jun 2024 01:30:05 GMT"},
                                {"Content-Type", "application/octet-stream"},
                                {"CONTENT-LENGTH", " 500 "},
                                {"content-range", "bytes 500-999/1000"},
                                {"ETag", "\"5B3C1A2E053D763E1B002CC607C5A0FE\""},
                                {"Last-Modified", "Fri, 24 Feb 2012 06:07:48 GMT"},
                                {"x-oss-object-type", "Normal"},
                                {"x-oss-storage-class", "Standard"},
                                {"x-oss-hash-crc64ecma", "11051210869376104954"},
                                {"Content-Encoding", "gzip"},
                                {"x-oss-request-id", "5C3D9175B6FC201293AD"},
                                {"x-oss-ec", "0026-00000001"},
                                {"x-oss-err", "PD94"},
                                {"Location", "https://example.com/"}});
  EXPECT_EQ(head.status, 206);
  EXPECT_TRUE(head.is_success());
  EXPECT_EQ(head.content_length, 500u);
  EXPECT_EQ(head.content_range, (ContentRange{ByteRange{500, 1000}, 1000}));
  EXPECT_FALSE(head.bad_content_range);
  EXPECT_EQ(head.etag, "5B3C1A2E053D763E1B002CC607C5A0FE");
  EXPECT_EQ(head.crc64, 11051210869376104954u);
  EXPECT_EQ(head.content_encoding, "gzip");
  EXPECT_EQ(head.content_type, "application/octet-stream");
  EXPECT_EQ(head.last_modified, "Fri, 24 Feb 2012 06:07:48 GMT");
  EXPECT_EQ(head.storage_class, "Standard");
  EXPECT_EQ(head.object_type, "Normal");
  EXPECT_EQ(head.request_id, "5C3D9175B6FC201293AD");
  EXPECT_EQ(head.ec, "0026-00000001");
  EXPECT_EQ(head.error_header, "PD94");
  EXPECT_EQ(head.location, "https://example.com/");
  EXPECT_EQ(head.date, "Sun, 02 Jun 2024 01:30:05 GMT");
}

TEST(ResponseHead, TellsTheVersionOfAVersionedBucketsObject) {
  const ResponseHead head = parse_response_head(
      404, {{"X-Oss-Version-Id", " CAEQNhiBgMDJ+w== "}, {"x-oss-delete-marker", "true"}});
  EXPECT_EQ(head.version_id, "CAEQNhiBgMDJ+w==");
  EXPECT_TRUE(head.is_delete_marker);
  const ResponseHead none = parse_response_head(200, {{"x-oss-delete-marker", "false"}});
  EXPECT_EQ(none.version_id, "");
  EXPECT_FALSE(none.is_delete_marker);
  for (const std::string& id : {std::string("a\x01"), std::string(1001, 'v'), std::string("\xFF")})
    EXPECT_EQ(parse_response_head(200, {{"x-oss-version-id", id}}).version_id, "");
}

TEST(ResponseHead, KnowsHeadersOfStores) {
  EXPECT_TRUE(parse_response_head(404, {{"X-OSS-Anything", ""}}).is_of_store);
  EXPECT_TRUE(parse_response_head(404, {{"x-amz-request-id", "1"}}).is_of_store);
  EXPECT_FALSE(parse_response_head(404, {{"x-oss", "1"}, {"ETag", "\"e\""}}).is_of_store);
}

TEST(OpaqueEtag, IsWhatAHeaderMayHoldBetweenQuotes) {
  for (const char* etag : {"5B3C1A2E053D763E1B002CC607C5A0FE-12", "null", "\xE4"})
    EXPECT_TRUE(is_opaque_etag(etag)) << etag;
  for (const char* etag : {"", "a\r\nX-Evil: 1", "a b", "W/\"weak\"", "\"", "\x7F"})
    EXPECT_FALSE(is_opaque_etag(etag)) << etag;
}

TEST(ResponseHead, EmptyHeadAndEmptyValues) {
  const ResponseHead none = parse_response_head(200, {});
  EXPECT_FALSE(none.content_length || none.content_range || none.crc64 || none.bad_content_range);
  EXPECT_EQ(none.etag, "");
  const ResponseHead empty = parse_response_head(200, {{"Content-Length", ""},
                                                       {"Content-Range", ""},
                                                       {"ETag", ""},
                                                       {"x-oss-hash-crc64ecma", ""},
                                                       {"Last-Modified", "  "},
                                                       {"", "no name"}});
  EXPECT_FALSE(empty.content_length || empty.content_range || empty.crc64);
  EXPECT_TRUE(empty.bad_content_range);
  EXPECT_EQ(empty.etag, "");
  EXPECT_EQ(empty.last_modified, "");
}

TEST(ResponseHead, RetryAfterIsANumberOfSecondsOrADate) {
  const auto seconds = [](std::string value, std::string date) {
    return parse_response_head(503, {{"retry-after", std::move(value)}, {"Date", std::move(date)}})
        .retry_after_seconds;
  };
  const char* const now = "Sun, 02 Jun 2024 01:30:05 GMT";
  EXPECT_EQ(seconds("120", now), 120u);
  EXPECT_EQ(seconds(" 0 ", ""), 0u);
  EXPECT_EQ(seconds("4294967295", now), 4294967295u);
  EXPECT_EQ(seconds("Sun, 02 Jun 2024 01:30:47 GMT", now), 42u);
  EXPECT_EQ(seconds("Sun, 02 Jun 2024 01:30:04 GMT", now), 0u);  // it is over
  EXPECT_EQ(seconds("Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"), UINT32_MAX);
  for (const char* const other : {"", "-1", "1.5", "soon", "4294967296", "Sun, 02 Jun"}) {
    EXPECT_EQ(seconds(other, now), std::nullopt) << other;
  }
  EXPECT_EQ(seconds("Sun, 02 Jun 2024 01:30:47 GMT", "soon"), std::nullopt);
  EXPECT_EQ(parse_response_head(503, {}).retry_after_seconds, std::nullopt);
}

TEST(ResponseHead, NumbersAreChecked) {
  const auto length = [](const char* value) {
    return parse_response_head(200, {{"Content-Length", value}}).content_length;
  };
  EXPECT_EQ(length("0"), 0u);
  EXPECT_EQ(length("9223372036854775807"), 9223372036854775807u);
  for (const char* value : {"9223372036854775808", "18446744073709551616", "-1", "+1", "1,1", "1 1",
                            "0x10", "1e3", "99999999999999999999999999999999999999"}) {
    EXPECT_FALSE(length(value).has_value()) << value;
  }
  const auto crc = [](const char* value) {
    return parse_response_head(200, {{"x-oss-hash-crc64ecma", value}}).crc64;
  };
  EXPECT_EQ(crc("18446744073709551615"), 18446744073709551615u);
  EXPECT_FALSE(crc("18446744073709551616").has_value());
  EXPECT_FALSE(crc("995DC9BBDF1939FA").has_value());
}

TEST(ResponseHead, TheLastOfARepeatedNameWins) {
  ResponseHead head = parse_response_head(206, {{"Content-Length", "1"},
                                                {"content-length", "2"},
                                                {"ETag", "\"a\""},
                                                {"etag", "\"b\""},
                                                {"Content-Range", "bad"},
                                                {"Content-Range", "bytes 0-1/2"}});
  EXPECT_EQ(head.content_length, 2u);
  EXPECT_EQ(head.etag, "b");
  EXPECT_TRUE(head.content_range.has_value());
  EXPECT_FALSE(head.bad_content_range);
  head = parse_response_head(206, {{"Content-Length", "1"},
                                   {"Content-Length", "bad"},
                                   {"Content-Range", "bytes 0-1/2"},
                                   {"Content-Range", "bytes 2"}});
  EXPECT_FALSE(head.content_length.has_value());
  EXPECT_FALSE(head.content_range.has_value());
  EXPECT_TRUE(head.bad_content_range);
}

TEST(ResponseHead, OnlyStrongEntityTagsCount) {
  const auto etag = [](const char* value) {
    return parse_response_head(200, {{"ETag", value}}).etag;
  };
  EXPECT_EQ(etag("\"abc-2\""), "abc-2");
  EXPECT_EQ(etag("\"null\""), "null");
  EXPECT_EQ(etag("unquoted"), "unquoted");
  EXPECT_EQ(etag("\"\""), "");
  EXPECT_EQ(etag("W/\"abc\""), "");
  EXPECT_EQ(etag("\"a\"b\""), "");
  EXPECT_EQ(etag("\"a\r\nX: y\""), "");
  EXPECT_EQ(etag("\""), "");
}

TEST(ResponseHead, OfAWeakEntityTagTheTextIsKept) {
  const auto weak = [](const char* value) {
    return parse_response_head(200, {{"ETag", value}}).weak_etag;
  };
  EXPECT_EQ(weak("W/\"abc-2\""), "abc-2");
  EXPECT_EQ(weak("w/\"abc\""), "abc");
  EXPECT_EQ(weak("W/abc"), "abc");
  for (const char* none : {"\"abc\"", "W/\"\"", "W/", "W/\"a b\"", "W/\"a\r\nX: y\""})
    EXPECT_EQ(weak(none), "") << none;
}

TEST(ResponseHead, SomeStoresTellTheWholeObjectsSizeBesides) {
  for (const char* name :
       {"x-oss-next-append-position", "X-Amz-Object-Size", "x-goog-stored-content-length"})
    EXPECT_EQ(parse_response_head(206, {{name, "1000"}}).object_size, 1000u) << name;
  EXPECT_FALSE(parse_response_head(206, {{"x-amz-object-size", "-1"}}).object_size.has_value());
  EXPECT_FALSE(parse_response_head(206, {{"x-amz-meta-size", "1"}}).object_size.has_value());
}

TEST(Method, Names) {
  EXPECT_EQ(method_name(Method::kGet), "GET");
  EXPECT_EQ(method_name(Method::kHead), "HEAD");
}

}  // namespace
}  // namespace ossmc
