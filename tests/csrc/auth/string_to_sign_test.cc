#include "auth/string_to_sign.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace ossmc {
namespace {

StoreRequest request(std::string_view key, std::vector<NameValue> query = {},
                     std::vector<NameValue> headers = {}) {
  StoreRequest made;
  made.bucket = "bkt";
  made.key = key;
  made.query = std::move(query);
  made.headers = std::move(headers);
  return made;
}

TEST(StringToSignV1, CoversOssHeadersSortedAndTrimmed) {
  EXPECT_EQ(string_to_sign_v1(request("k", {},
                                      {{"X-Oss-B", " two "},
                                       {"Range", "bytes=0-1"},
                                       {"x-oss-a", "one"},
                                       {"Content-Type", "text/plain"},
                                       {"content-md5", "md5"}}),
                              "date"),
            "GET\nmd5\ntext/plain\ndate\nx-oss-a:one\nx-oss-b:two\n/bkt/k");
}

TEST(StringToSignV1, SignsSubresourcesRawAndNothingElseOfTheQuery) {
  EXPECT_EQ(string_to_sign_v1(request("a b%41\n", {{"prefix", "p"},
                                                   {"versionId", "v/ +"},
                                                   {"continuation-token", ""},
                                                   {"Acl", "x"},
                                                   {"acl", ""},
                                                   {"x-oss-process", "image/resize,w_100"}}),
                              "date"),
            "GET\n\n\ndate\n/bkt/a b%41\n?acl&continuation-token&versionId=v/ +"
            "&x-oss-process=image/resize,w_100");
  EXPECT_EQ(string_to_sign_v1(request("", {{"list-type", "2"}, {"start-after", "x"}}), "date"),
            "GET\n\n\ndate\n/bkt/");
}

TEST(CanonicalRequestV4, SortsByEncodedName) {
  EXPECT_EQ(canonical_request_v4(
                request("a b/c", {{"a", "1"}, {"a-b", "2"}, {"A", ""}, {"\xC3\xA4", "x y"}}), {}),
            "GET\n/bkt/a%20b/c\n%C3%A4=x%20y&A&a=1&a-b=2\n\n\nUNSIGNED-PAYLOAD");
}

TEST(CanonicalRequestV4, CoversItsHeadersAndTheAdditionalOnes) {
  const StoreRequest ranged = request("k", {},
                                      {{"Range", "bytes=0-1"},
                                       {"If-Match", "\"e\""},
                                       {"Content-Type", " text/plain "},
                                       {"X-Oss-Date", "d"}});
  EXPECT_EQ(canonical_request_v4(ranged, {}),
            "GET\n/bkt/k\n\ncontent-type:text/plain\nx-oss-date:d\n\n\nUNSIGNED-PAYLOAD");
  const auto additional = additional_headers_v4(
      ranged, {"RANGE", "If-Match", "range", "absent", "Content-Type", "x-oss-date"});
  EXPECT_EQ(additional, (std::vector<std::string>{"if-match", "range"}));
  EXPECT_EQ(join_names(additional), "if-match;range");
  EXPECT_EQ(
      canonical_request_v4(ranged, additional),
      "GET\n/bkt/k\n\ncontent-type:text/plain\nif-match:\"e\"\nrange:bytes=0-1\nx-oss-date:d\n\n"
      "if-match;range\nUNSIGNED-PAYLOAD");
}

TEST(ScopeV4, BeginsWithTheDay) {
  EXPECT_EQ(scope_v4("20240602T013005Z", "cn-hangzhou", "oss"),
            "20240602/cn-hangzhou/oss/aliyun_v4_request");
}

}  // namespace
}  // namespace ossmc
