#include "auth/signer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace ossmc {
namespace {

constexpr double kSigningTime = 1717291805;  // 2024-06-02T01:30:05Z

SigningOptions v4() {
  SigningOptions options;
  options.region = "cn-hangzhou";
  return options;
}

SigningOptions v1() {
  SigningOptions options;
  options.version = SignatureVersion::kV1;
  return options;
}

Credentials test_keys(std::string token = "") {
  Credentials credentials;
  credentials.access_key_id = "ak-test";
  credentials.access_key_secret = "sk-test-secret";
  credentials.security_token = std::move(token);
  return credentials;
}

std::vector<std::string> names(const StoreRequest& request) {
  std::vector<std::string> out;
  out.reserve(request.headers.size());
  for (const NameValue& header : request.headers) out.push_back(header.name);
  std::sort(out.begin(), out.end());
  return out;
}

std::string value_of(const StoreRequest& request, std::string_view name) {
  for (const NameValue& header : request.headers) {
    if (header.name == name) return header.value;
  }
  return "(none)";
}

TEST(Signer, AddsTheHeadersOfItsVersion) {
  StoreRequest request = head_request({"bkt", "k"});
  ASSERT_TRUE(Signer(v4()).sign(request, test_keys(), kSigningTime).is_ok());
  EXPECT_EQ(names(request),
            (std::vector<std::string>{"Authorization", "x-oss-content-sha256", "x-oss-date"}));
  EXPECT_EQ(value_of(request, "x-oss-date"), "20240602T013005Z");
  EXPECT_TRUE(value_of(request, "Authorization")
                  .starts_with("OSS4-HMAC-SHA256 Credential=ak-test/20240602/cn-hangzhou/oss/"
                               "aliyun_v4_request,Signature="));
  request = head_request({"bkt", "k"});
  ASSERT_TRUE(Signer(v1()).sign(request, test_keys("tok"), kSigningTime).is_ok());
  EXPECT_EQ(names(request),
            (std::vector<std::string>{"Authorization", "Date", "x-oss-security-token"}));
  EXPECT_EQ(value_of(request, "Date"), "Sun, 02 Jun 2024 01:30:05 GMT");
  EXPECT_TRUE(value_of(request, "Authorization").starts_with("OSS ak-test:"));
}

TEST(Signer, AnonymousAddsNothing) {
  Credentials anonymous;
  anonymous.anonymous = true;
  StoreRequest request = get_range_request({"bkt", "k"}, {0, 1}, "");
  const StoreRequest before = request;
  // Not even a region is needed.
  ASSERT_TRUE(Signer(SigningOptions{}).sign(request, anonymous, kSigningTime).is_ok());
  EXPECT_EQ(request.headers, before.headers);
  EXPECT_EQ(Signer(v4()).explain(request, anonymous, kSigningTime)->signature, "");
}

TEST(Signer, RefusesAndLeavesTheRequestAlone) {
  StoreRequest request = head_request({"bkt", "k"});
  EXPECT_EQ(Signer(SigningOptions{}).sign(request, test_keys(), kSigningTime).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(Signer(v4()).sign(request, Credentials{}, kSigningTime).code(),
            StatusCode::kCredentials);
  EXPECT_EQ(Signer(v4()).explain(request, Credentials{}, kSigningTime).status().code(),
            StatusCode::kCredentials);
  EXPECT_TRUE(request.headers.empty());
}

TEST(Signer, SigningAgainReplacesTheOldSignature) {
  const Signer signer(v4());
  StoreRequest once = get_range_request({"bkt", "k"}, {0, 1}, "etag");
  StoreRequest twice = once;
  ASSERT_TRUE(signer.sign(once, test_keys(), kSigningTime).is_ok());
  ASSERT_TRUE(signer.sign(twice, test_keys("old-token"), kSigningTime - 90000).is_ok());
  ASSERT_TRUE(signer.sign(twice, test_keys(), kSigningTime).is_ok());
  EXPECT_EQ(names(once), names(twice));
  EXPECT_EQ(value_of(once, "Authorization"), value_of(twice, "Authorization"));
}

// The known answers of tests/data/sign-vectors.json (v1-get-version-id, v4-get-version-id): they
// are the same in both SDKs.
TEST(Signer, AVersionIsPartOfTheSignature) {
  StoreRequest request =
      head_request({"examplebucket", "dir/file.bin", "CAEQNhiBgMDJ+/gZCA0BYi=="});
  request.method = Method::kGet;
  EXPECT_EQ(Signer(v1()).explain(request, test_keys(), kSigningTime)->signature,
            "P6ZnU1QmF1+DwmaUhrvC0xMHRoE=");
  EXPECT_EQ(Signer(v4()).explain(request, test_keys(), kSigningTime)->signature,
            "7406e782f69cd5d4de1271abd90cda05463a6cdb356ead03da7e029f06631576");
}

TEST(Signer, ARangeIsNoPartOfTheSignature) {
  const Signer signer(v4());
  StoreRequest a = get_range_request({"bkt", "k"}, {0, 1}, "");
  StoreRequest b = get_range_request({"bkt", "k"}, {7, 9}, "etag");
  ASSERT_TRUE(signer.sign(a, test_keys(), kSigningTime).is_ok());
  ASSERT_TRUE(signer.sign(b, test_keys(), kSigningTime).is_ok());
  EXPECT_EQ(value_of(a, "Authorization"), value_of(b, "Authorization"));
}

TEST(Signer, SendsWhatItSigned) {
  StoreRequest request = head_request({"bkt", "k"});
  request.headers = {
      {"x-oss-a", "first"}, {"X-OSS-A", "last"}, {"x-oss-empty", " "}, {"X-Own", ""}};
  ASSERT_TRUE(Signer(v4()).sign(request, test_keys(), kSigningTime).is_ok());
  EXPECT_EQ(names(request), (std::vector<std::string>{"Authorization", "X-OSS-A", "X-Own",
                                                      "x-oss-content-sha256", "x-oss-date"}));
  EXPECT_EQ(value_of(request, "X-OSS-A"), "last");
}

TEST(Signer, V1TakesAnOssDateForTheDate) {
  StoreRequest request = head_request({"bkt", "k"});
  request.headers = {{"x-oss-date", "Mon, 03 Jun 2024 00:00:00 GMT"}};
  EXPECT_EQ(
      Signer(v1()).explain(request, test_keys(), kSigningTime)->string_to_sign,
      "HEAD\n\n\nMon, 03 Jun 2024 00:00:00 GMT\nx-oss-date:Mon, 03 Jun 2024 00:00:00 GMT\n/bkt/k");
}

// The cached key must not outlive its day, nor serve another secret.
TEST(Signer, TheDaysKeyChangesWithDayAndSecret) {
  const Signer signer(v4());
  const StoreRequest request = head_request({"bkt", "k"});
  Credentials other = test_keys();
  other.access_key_secret = "another-secret";
  for (int round = 0; round < 2; ++round) {
    for (const double time : {kSigningTime, kSigningTime + 86400.0}) {
      for (const Credentials& credentials : {test_keys(), other}) {
        EXPECT_EQ(signer.explain(request, credentials, time)->signature,
                  Signer(v4()).explain(request, credentials, time)->signature);
      }
    }
  }
  EXPECT_NE(signer.explain(request, test_keys(), kSigningTime)->signature,
            signer.explain(request, other, kSigningTime)->signature);
}

TEST(Signer, ManyThreadsAtMidnight) {
  const Signer signer(v4());
  const StoreRequest request = head_request({"bkt", "k"});
  const std::string before = signer.explain(request, test_keys(), 86399)->signature;
  const std::string after = signer.explain(request, test_keys(), 86400)->signature;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        EXPECT_EQ(signer.explain(request, test_keys(), 86399 + i % 2)->signature,
                  i % 2 ? after : before);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace ossmc
