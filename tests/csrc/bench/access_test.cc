#include "bench/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ossmc::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Options options_for(std::vector<std::string> objects) {
  Options options;
  options.endpoint = "http://127.0.0.1:9";
  options.anonymous = true;
  options.objects = std::move(objects);
  return options;
}

TEST(Credentials, FileOfTheContract) {
  const Result<Credentials> keys = parse_credentials(
      R"({"AccessKeyId": "id", "AccessKeySecret": "secret", "SecurityToken": "token",
          "Expiration": "2099-08-02T15:04:05Z"})",
      "keys.json");
  ASSERT_TRUE(keys.is_ok()) << keys.status().message();
  EXPECT_EQ(keys->access_key_id, "id");
  EXPECT_EQ(keys->access_key_secret, "secret");
  EXPECT_EQ(keys->security_token, "token");
  EXPECT_FALSE(keys->anonymous);
}

TEST(Credentials, FaultsOfTheFileAreNamedWithoutItsValues) {
  for (const char* const text :
       {R"({"AccessKeyId": "s3cr3t"})", R"({"AccessKeyId": "s3cr3t", "AccessKeySecret": ""})",
        R"({"AccessKeyId": "s3cr3t", "AccessKeySecret": 5})", R"({"AccessKeyId": "s3cr3t")",
        R"("s3cr3t")"}) {
    const Result<Credentials> keys = parse_credentials(text, "keys.json");
    ASSERT_FALSE(keys.is_ok()) << text;
    EXPECT_EQ(keys.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(keys.status().message(), HasSubstr("keys.json"));
    EXPECT_THAT(keys.status().message(), Not(HasSubstr("s3cr3t")));
  }
}

TEST(Access, NamesBecomeUris) {
  Options options = options_for({"a", "oss://other/b", "c"});
  options.bucket = "bucket";
  const Result<Access> access = Access::make(options);
  ASSERT_TRUE(access.is_ok()) << access.status().message();
  const Result<std::shared_ptr<Connector>> connector = access->connect();
  ASSERT_TRUE(connector.is_ok()) << connector.status().message();
  const auto objects = access->objects(**connector, no_interrupt());
  ASSERT_TRUE(objects.is_ok()) << objects.status().message();
  EXPECT_THAT(*objects, ElementsAre("oss://bucket/a", "oss://other/b", "oss://bucket/c"));
}

TEST(Access, NoMoreThanAtMost) {
  Options options = options_for({"oss://bucket/a", "oss://bucket/b", "oss://bucket/c"});
  options.at_most = 2;
  const Result<Access> access = Access::make(options);
  ASSERT_TRUE(access.is_ok());
  const auto objects = access->objects(**access->connect(), no_interrupt());
  ASSERT_TRUE(objects.is_ok());
  EXPECT_THAT(*objects, ElementsAre("oss://bucket/a", "oss://bucket/b"));
}

TEST(Access, FaultsOfOptionsAreToldInTheirWords) {
  Options options = options_for({"oss://bucket/a"});
  options.config_overrides = R"({"prefetch.workers": 0})";
  const Result<Access> access = Access::make(options);
  EXPECT_EQ(access.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(access.status().message(), "options: prefetch.workers must be 1 to 256, is 0");
}

TEST(Access, FilesThatCannotBeRead) {
  Options config = options_for({"oss://bucket/a"});
  config.config_file = "/no/such/config.json";
  EXPECT_THAT(Access::make(config).status().message(), HasSubstr("/no/such/config.json"));
  Options keys = options_for({"oss://bucket/a"});
  keys.anonymous = false;
  keys.credentials_file = "/no/such/keys.json";
  EXPECT_THAT(Access::make(keys).status().message(), HasSubstr("/no/such/keys.json"));
}

}  // namespace
}  // namespace ossmc::bench
