#include "protocol/store_request.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace ossmc {
namespace {

Endpoint endpoint(std::string_view text) { return parse_endpoint(text).value(); }

std::string url(std::string_view at, Addressing addressing, std::string_view key,
                std::vector<NameValue> query = {}) {
  StoreRequest request;
  request.bucket = "bkt";
  request.key = key;
  request.query = std::move(query);
  return request_url(endpoint(at), addressing, request);
}

TEST(RequestUrl, ThreeAddressings) {
  EXPECT_EQ(url("https://e.com:81", Addressing::kVirtual, "d/k"), "https://bkt.e.com:81/d/k");
  EXPECT_EQ(url("http://10.0.0.1:9000", Addressing::kPath, "d/k"), "http://10.0.0.1:9000/bkt/d/k");
  EXPECT_EQ(url("http://[::1]:9000", Addressing::kPath, "k"), "http://[::1]:9000/bkt/k");
  EXPECT_EQ(url("https://data.e.com", Addressing::kCname, "d/k"), "https://data.e.com/d/k");
}

TEST(RequestUrl, OfABucket) {
  const std::vector<NameValue> query = {{"list-type", "2"}};
  EXPECT_EQ(url("e.com", Addressing::kVirtual, "", query), "https://bkt.e.com/?list-type=2");
  EXPECT_EQ(url("e.com", Addressing::kPath, "", query), "https://e.com/bkt/?list-type=2");
  EXPECT_EQ(url("e.com", Addressing::kCname, "", query), "https://e.com/?list-type=2");
}

TEST(RequestUrl, OddKeysAreEncodedOnceAndNeverRewritten) {
  const auto path = [](std::string_view key) {
    return url("http://e.com", Addressing::kCname, key).substr(std::string("http://e.com").size());
  };
  EXPECT_EQ(path("a b+c"), "/a%20b%2Bc");
  EXPECT_EQ(path("%41"), "/%2541");
  EXPECT_EQ(path("a/./b/../c.txt"), "/a/./b/../c.txt");
  EXPECT_EQ(path("/abs//x/"), "//abs//x/");
  EXPECT_EQ(path("q?a=b#c"), "/q%3Fa%3Db%23c");
  EXPECT_EQ(path("\xE4\xBD\xA0\n"), "/%E4%BD%A0%0A");
  EXPECT_EQ(path(std::string(1023, '\x01')).size(), 1 + 3 * 1023u);
}

TEST(RequestUrl, QueryOrderIsKeptAndBlanksArePercent20) {
  EXPECT_EQ(url("e.com", Addressing::kCname, "k", {{"objectMeta", ""}, {"a b", "c+d/&="}}),
            "https://e.com/k?objectMeta&a%20b=c%2Bd%2F%26%3D");
}

TEST(CanonicalResource, IsRawAndTheSameForAllAddressings) {
  StoreRequest request;
  request.bucket = "bkt";
  EXPECT_EQ(canonical_resource(request), "/bkt/");
  request.key = "/a b/%41";
  EXPECT_EQ(canonical_resource(request), "/bkt//a b/%41");
}

TEST(Requests, RangedGetPinsTheVersion) {
  const StoreRequest request = get_range_request({"bkt", "key"}, {10, 20}, "ABC");
  EXPECT_EQ(request.method, Method::kGet);
  EXPECT_EQ(request.bucket, "bkt");
  EXPECT_EQ(request.key, "key");
  EXPECT_TRUE(request.query.empty());
  EXPECT_EQ(request.headers, (std::vector<NameValue>{{"Range", "bytes=10-19"},
                                                     {"x-oss-range-behavior", "standard"},
                                                     {"If-Match", "\"ABC\""}}));
  EXPECT_EQ(get_range_request({"bkt", "key"}, {0, 1}, "").headers,
            (std::vector<NameValue>{{"Range", "bytes=0-0"}, {"x-oss-range-behavior", "standard"}}));
}

TEST(Requests, Head) {
  const StoreRequest request = head_request({"bkt", "key"});
  EXPECT_EQ(request.method, Method::kHead);
  EXPECT_TRUE(request.headers.empty());
  EXPECT_TRUE(request.query.empty());
}

TEST(Requests, OfAVersionNameItInTheQuery) {
  const ObjectName name{"bkt", "dir/key?versionId=x", "v+/="};
  for (const StoreRequest& request : {get_range_request(name, {0, 1}, ""), head_request(name)}) {
    EXPECT_EQ(request.query, (std::vector<NameValue>{{"versionId", "v+/="}}));
    EXPECT_EQ(version_id_of(request), "v+/=");
    EXPECT_EQ(request_url(endpoint("http://e.com"), Addressing::kVirtual, request),
              "http://bkt.e.com/dir/key%3FversionId%3Dx?versionId=v%2B%2F%3D");
  }
  EXPECT_EQ(version_id_of(head_request({"bkt", "key"})), "");
}

TEST(Requests, ListLeavesOutWhatIsEmpty) {
  EXPECT_EQ(
      list_request("bkt", "", "", "").query,
      (std::vector<NameValue>{{"list-type", "2"}, {"max-keys", "1000"}, {"encoding-type", "url"}}));
  const StoreRequest request = list_request("bkt", "a b/", "a b/c", "t==");
  EXPECT_EQ(request.key, "");
  EXPECT_EQ(request_url(endpoint("http://e.com"), Addressing::kVirtual, request),
            "http://bkt.e.com/?list-type=2&max-keys=1000&encoding-type=url&prefix=a%20b%2F"
            "&start-after=a%20b%2Fc&continuation-token=t%3D%3D");
  EXPECT_EQ(list_request("bkt", "", "", "", "/&").query.back(), (NameValue{"delimiter", "/&"}));
}

}  // namespace
}  // namespace ossmc
