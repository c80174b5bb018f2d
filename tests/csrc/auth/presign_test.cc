#include "auth/presign.h"

#include <gtest/gtest.h>

#include <string>

namespace ossmc {
namespace {

constexpr double kNow = 1717291805;

Result<PresignedUrl> make(const SigningOptions& options, std::uint32_t seconds,
                          bool anonymous = false, double now = kNow) {
  Credentials credentials;
  credentials.access_key_id = "ak";
  credentials.access_key_secret = "sk";
  credentials.anonymous = anonymous;
  return presign(parse_endpoint("https://e.com").value(), Addressing::kVirtual, options,
                 head_request({"bkt", "a b"}), credentials, now, seconds);
}

// The signatures themselves are held to recorded ones in sign_vectors_test.cc.
TEST(Presign, UrlsOfBothVersions) {
  SigningOptions options;
  options.region = "cn-hangzhou";
  EXPECT_TRUE(
      make(options, 60)
          ->url.starts_with(
              "https://bkt.e.com/a%20b?x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential="
              "ak%2F20240602%2Fcn-hangzhou%2Foss%2Faliyun_v4_request&x-oss-date=20240602T013005Z"
              "&x-oss-expires=60&x-oss-signature="));
  options.version = SignatureVersion::kV1;
  EXPECT_TRUE(make(options, 60)
                  ->url.starts_with(
                      "https://bkt.e.com/a%20b?OSSAccessKeyId=ak&Expires=1717291865&Signature="));
}

TEST(Presign, Refusals) {
  SigningOptions options;
  EXPECT_FALSE(make(options, 60).is_ok()) << "no region";
  options.region = "cn-hangzhou";
  EXPECT_TRUE(make(options, 604800).is_ok());
  EXPECT_FALSE(make(options, 604801).is_ok());
  EXPECT_FALSE(make(options, 0).is_ok());
  EXPECT_FALSE(make(options, 60, true).is_ok());
  EXPECT_FALSE(make(options, 60, false, 1e300).is_ok());
}

}  // namespace
}  // namespace ossmc
