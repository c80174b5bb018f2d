#include "auth/signing_key.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace ossmc {
namespace {

Credentials keys(std::string id, std::string secret, std::string token = "") {
  Credentials credentials;
  credentials.access_key_id = std::move(id);
  credentials.access_key_secret = std::move(secret);
  credentials.security_token = std::move(token);
  return credentials;
}

TEST(SigningKey, KeysThatCanSign) {
  EXPECT_TRUE(check_can_sign(keys("ak", "sk")).is_ok());
  EXPECT_TRUE(check_can_sign(keys("STS.ak", "s k", "CAIS+/==")).is_ok());
}

TEST(SigningKey, KeysThatCannotAreNamedWithoutTheirValue) {
  for (const Credentials& bad :
       {keys("", "sk"), keys("ak", ""), keys("ak\n", "sk"), keys("ak", "hunter2\n"),
        keys("ak", " hunter2"), keys("ak", "sk", "hunter2\r\nX: y"),
        keys("ak", "sk", "hunter2 ")}) {
    const Status status = check_can_sign(bad);
    EXPECT_EQ(status.code(), StatusCode::kCredentials);
    EXPECT_EQ(status.message().find("hunter2"), std::string::npos);
  }
}

TEST(SigningKey, DerivationTakesAllFourParts) {
  const auto signed_by = [](const char* secret, const char* day, const char* region,
                            const char* product) {
    return sign_v4(*derive_key_v4(secret, day, region, product).value(), "text").value();
  };
  const std::string one = signed_by("sk", "20240602", "cn-hangzhou", "oss");
  EXPECT_EQ(one, signed_by("sk", "20240602", "cn-hangzhou", "oss"));
  EXPECT_NE(one, signed_by("sj", "20240602", "cn-hangzhou", "oss"));
  EXPECT_NE(one, signed_by("sk", "20240603", "cn-hangzhou", "oss"));
  EXPECT_NE(one, signed_by("sk", "20240602", "cn-beijing", "oss"));
  EXPECT_NE(one, signed_by("sk", "20240602", "cn-hangzhou", "oss-cloudbox"));
}

}  // namespace
}  // namespace ossmc
