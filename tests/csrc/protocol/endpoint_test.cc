#include "protocol/endpoint.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace ossmc {
namespace {

Endpoint parsed(std::string_view text) {
  const Result<Endpoint> endpoint = parse_endpoint(text);
  EXPECT_TRUE(endpoint.is_ok()) << text << ": " << endpoint.status().message();
  return endpoint.is_ok() ? *endpoint : Endpoint{};
}

TEST(Endpoint, GoodOnes) {
  const std::pair<const char*, const char*> table[] = {
      {"https://oss-cn-hangzhou.aliyuncs.com", "https://oss-cn-hangzhou.aliyuncs.com"},
      {"http://oss-cn-hangzhou.aliyuncs.com/", "http://oss-cn-hangzhou.aliyuncs.com"},
      {"oss-cn-hangzhou.aliyuncs.com", "https://oss-cn-hangzhou.aliyuncs.com"},
      {"OSS-CN-Hangzhou.Aliyuncs.COM:8080", "https://oss-cn-hangzhou.aliyuncs.com:8080"},
      {"HTTP://Example.com", "http://example.com"},
      {"http://127.0.0.1:9000", "http://127.0.0.1:9000"},
      {"127.0.0.1", "https://127.0.0.1"},
      {"http://[::1]:9000/", "http://[::1]:9000"},
      {"[FE80::A]", "https://[fe80::a]"},
      {"localhost:1", "https://localhost:1"},
      {"http://minio_test:65535", "http://minio_test:65535"},
      {"http://h:80", "http://h:80"},
      {"https://oss-cn-hangzhou.aliyuncs.com./", "https://oss-cn-hangzhou.aliyuncs.com"},
      {"localhost.:1", "https://localhost:1"},
      {"127.0.0.1.", "https://127.0.0.1"},
      // A region's name with a port may be a host of somebody's own.
      {"http://oss-cn-hangzhou:9000", "http://oss-cn-hangzhou:9000"},
      {"oss-cn-hangzhou.cloud.example.com", "https://oss-cn-hangzhou.cloud.example.com"},
      {"oss-cn-hangzhou.aliyuncs.com.example.org",
       "https://oss-cn-hangzhou.aliyuncs.com.example.org"},
  };
  for (const auto& [text, want] : table) EXPECT_EQ(parsed(text).text(), want) << text;
}

TEST(Endpoint, Parts) {
  const Endpoint v6 = parsed("http://[::1]:9000");
  EXPECT_EQ(v6.scheme, Scheme::kHttp);
  EXPECT_EQ(v6.host, "::1");
  EXPECT_EQ(v6.port, 9000);
  EXPECT_TRUE(v6.is_ip && v6.is_ipv6);
  EXPECT_EQ(v6.authority(), "[::1]:9000");
  const Endpoint v4 = parsed("10.0.0.1");
  EXPECT_EQ(v4.scheme, Scheme::kHttps);
  EXPECT_EQ(v4.port, 0);
  EXPECT_TRUE(v4.is_ip && !v4.is_ipv6);
  EXPECT_TRUE(parsed("localhost").is_localhost());
  EXPECT_TRUE(parsed("oss-cn-beijing.aliyuncs.com").is_aliyun());
  EXPECT_FALSE(parsed("oss-cn-beijing.aliyuncs.com.example.org").is_aliyun());
  EXPECT_FALSE(parsed("notaliyuncs.com").is_aliyun());
}

TEST(Endpoint, BadOnesNameThePart) {
  const std::pair<const char*, const char*> table[] = {
      {"", "empty"},
      {" ", "blank"},
      {"http://", "no host"},
      {"https:///", "no host"},
      {"ftp://host", "scheme"},
      {"oss://bucket", "scheme"},
      {"://host", "scheme"},
      {"https://user:secret@host", "user information"},
      {"user@host", "user information"},
      {"https://host/bucket", "path"},
      {"https://host//", "path"},
      {"https://host\\x", "path"},
      {"https://host?x=1", "query"},
      {"https://host/?x", "query"},
      {"https://host#f", "query"},
      {" https://host", "blank"},
      {"https://host ", "blank"},
      {"https://ho st", "blank"},
      {"https://host\n", "blank"},
      {"https://host:", "port"},
      {"https://host:0", "port"},
      {"https://host:65536", "port"},
      {"https://host:+1", "port"},
      {"https://host:8o", "port"},
      {"https://::1", "brackets"},
      {"https://[::1", "]"},
      {"https://[::1]x", "IPv6"},
      {"https://[::g]", "IPv6"},
      {"https://[]", "IPv6"},
      {"https://[fe80::1%eth0]", "IPv6"},
      {"https://[1.2.3.4]", "IPv6"},
      {"https://256.0.0.1", "IPv4"},
      {"https://127.1", "IPv4"},
      {"https://1.2.3.4.5", "IPv4"},
      {"https://2130706433", "IPv4"},
      {"https://host..name", "between dots"},
      {"https://.host", "between dots"},
      {"https://host..", "between dots"},
      {"https://.", "between dots"},
      {"https://user%3Asecret%40host", "user information"},
      {"https:/host", "https://"},
      {"https//host", "https://"},
      {"http://https://host", "once"},
      {"HTTPS//host", "once"},
      {"oss-cn-hangzhou", "https://oss-cn-hangzhou.aliyuncs.com"},
      {"http://oss-cn-hangzhou-internal", "http://oss-cn-hangzhou.aliyuncs.com"},
      {"cn-hangzhou", "https://oss-cn-hangzhou.aliyuncs.com"},
      {"oss-cn-hangzhou.aliyun.com", "https://oss-cn-hangzhou.aliyuncs.com"},
      {"models.oss-cn-hangzhou.aliyun.com", "https://oss-cn-hangzhou.aliyuncs.com"},
      {"oss-cn-hangzhou.aliyuncs.com.cn", "https://oss-cn-hangzhou.aliyuncs.com"},
      {"oss-cn-hangzhou.aliyncs.com", "https://oss-cn-hangzhou.aliyuncs.com"},
      {"oss-cn-hangzhou.aliyunsc.com", "https://oss-cn-hangzhou.aliyuncs.com"},
      {"oss-cn-hangzhou.aliyuncs.cn", "https://oss-cn-hangzhou.aliyuncs.com"},
      {"https://ho*st", "character"},
      {"https://m\xC3\xBCnchen.example", "xn--"},
  };
  for (const auto& [text, word] : table) {
    const Result<Endpoint> endpoint = parse_endpoint(text);
    ASSERT_FALSE(endpoint.is_ok()) << text;
    EXPECT_EQ(endpoint.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(endpoint.status().message().find(word), std::string::npos)
        << text << ": " << endpoint.status().message();
  }
  EXPECT_FALSE(parse_endpoint("https://" + std::string(64, 'a') + ".com").is_ok());
  std::string long_host;
  for (int i = 0; i < 130; ++i) long_host += "a.";
  EXPECT_FALSE(parse_endpoint(long_host + "com").is_ok());
}

TEST(Endpoint, NoMessageRepeatsAPassword) {
  for (const char* text : {"https://user:hunter2@host", "ftp://user:hunter2@host/x?y",
                           "https://u:hunter2 @host", "hunter2@", "https://u%3Ahunter2%40host",
                           "https://host/ ?Signature=hunter2", "x://h?hunter2"}) {
    const Result<Endpoint> endpoint = parse_endpoint(text);
    ASSERT_FALSE(endpoint.is_ok());
    EXPECT_EQ(endpoint.status().message().find("hunter2"), std::string::npos);
  }
}

TEST(Addressing, WordsAndDefaults) {
  EXPECT_EQ(parse_addressing("path"), Addressing::kPath);
  EXPECT_EQ(parse_addressing("virtual"), Addressing::kVirtual);
  EXPECT_EQ(parse_addressing("cname"), Addressing::kCname);
  EXPECT_FALSE(parse_addressing("Path").has_value());
  EXPECT_FALSE(parse_addressing("").has_value());
  EXPECT_EQ(default_addressing(parsed("127.0.0.1")), Addressing::kPath);
  EXPECT_EQ(default_addressing(parsed("[::1]")), Addressing::kPath);
  EXPECT_EQ(default_addressing(parsed("localhost:9000")), Addressing::kPath);
  EXPECT_EQ(default_addressing(parsed("oss-cn-hangzhou.aliyuncs.com")), Addressing::kVirtual);
  EXPECT_EQ(default_addressing(parsed("data.example.com")), Addressing::kVirtual);
}

TEST(Addressing, NoBucketStandsBeforeAnIpAddress) {
  for (const char* endpoint : {"http://127.0.0.1:1", "http://[::1]:1"}) {
    const Status status = check_addressing(parsed(endpoint), Addressing::kVirtual);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("\"path\""), std::string::npos) << status.message();
    EXPECT_TRUE(check_addressing(parsed(endpoint), Addressing::kPath).is_ok());
    EXPECT_TRUE(check_addressing(parsed(endpoint), Addressing::kCname).is_ok());
  }
  EXPECT_TRUE(check_addressing(parsed("localhost"), Addressing::kVirtual).is_ok());
}

TEST(EndpointForBucket, RefusesAHostThatBeginsWithTheBucket) {
  const auto check = [](const char* endpoint, const char* bucket,
                        Addressing addressing = Addressing::kVirtual) {
    return check_endpoint_for_bucket(parsed(endpoint), addressing, bucket);
  };
  const Status status = check("https://my-data.oss-cn-hangzhou.aliyuncs.com", "my-data");
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("https://oss-cn-hangzhou.aliyuncs.com"), std::string::npos)
      << status.message();
  EXPECT_FALSE(check("my-data.oss-accelerate.aliyuncs.com", "my-data").is_ok());
  EXPECT_FALSE(check("my-data.cn-hangzhou.oss.aliyuncs.com", "my-data").is_ok());
  EXPECT_FALSE(check("mydata.oss.aliyuncs.com", "mydata").is_ok());
  EXPECT_FALSE(check("my-data.cb-1.cn-x.oss-cloudbox.aliyuncs.com", "my-data").is_ok());
  EXPECT_FALSE(check("my-data.example.com:8080", "my-data").is_ok());

  EXPECT_FALSE(
      check("my-data.cn-hangzhou-j-internal.oss-data-acc.aliyuncs.com", "my-data").is_ok());
  EXPECT_FALSE(check("my-data.oss-dls.aliyuncs.com", "my-data").is_ok());

  EXPECT_TRUE(check("oss-cn-hangzhou.aliyuncs.com", "my-data").is_ok());
  EXPECT_TRUE(check("my-data2.example.com", "my-data").is_ok());
  EXPECT_TRUE(check("my-data", "my-data").is_ok());
  EXPECT_TRUE(check("my-data.example.com", "my-data", Addressing::kCname).is_ok());
  EXPECT_TRUE(check("my-data.example.com", "my-data", Addressing::kPath).is_ok());
  EXPECT_TRUE(check("127.0.0.1", "127").is_ok());
}

TEST(EndpointForBucket, AnotherBucketInFrontIsToldOnHostsOfOss) {
  const Status status = check_endpoint_for_bucket(parsed("other.oss-cn-hangzhou.aliyuncs.com"),
                                                  Addressing::kVirtual, "my-data");
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("(https://oss-cn-hangzhou.aliyuncs.com)"), std::string::npos)
      << status.message();
  EXPECT_TRUE(check_endpoint_for_bucket(parsed("other.oss-cn-hangzhou.aliyuncs.com"),
                                        Addressing::kCname, "my-data")
                  .is_ok());
  // Of an endpoint that is not known here nothing is called a bucket.
  EXPECT_TRUE(check_endpoint_for_bucket(parsed("what-ever.oss-dls.aliyuncs.com"),
                                        Addressing::kVirtual, "my-data")
                  .is_ok());
}

TEST(EndpointForBucket, ANameThatIsTooLongForAHost) {
  std::string host = "aa";
  while (host.size() < 240) host += ".aaaa";
  const Status status =
      check_endpoint_for_bucket(parsed(host), Addressing::kVirtual, "a-bucket-of-some-length");
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("\"path\""), std::string::npos) << status.message();
  EXPECT_TRUE(check_endpoint_for_bucket(parsed(host), Addressing::kPath, "a-bucket-of-some-length")
                  .is_ok());
}

TEST(EndpointForBucket, ABucketMayBeCalledAsTheEndpointBegins) {
  EXPECT_TRUE(check_endpoint_for_bucket(parsed("oss-cn-hangzhou.aliyuncs.com"),
                                        Addressing::kVirtual, "oss-cn-hangzhou")
                  .is_ok());
  EXPECT_TRUE(check_endpoint_for_bucket(parsed("cn-hangzhou.oss.aliyuncs.com"),
                                        Addressing::kVirtual, "cn-hangzhou")
                  .is_ok());
  EXPECT_TRUE(check_endpoint_for_bucket(parsed("cb-1.cn-x.oss-cloudbox.aliyuncs.com"),
                                        Addressing::kVirtual, "cb-1")
                  .is_ok());
}

}  // namespace
}  // namespace ossmc
