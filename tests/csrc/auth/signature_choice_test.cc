#include "auth/signature_choice.h"

#include <gtest/gtest.h>

#include <string>

namespace ossmc {
namespace {

// "v4 region product", "v1" with "+warning", or "refused".
std::string choice(const char* endpoint_text, const char* region = "",
                   Addressing addressing = Addressing::kVirtual) {
  bool warn = true;
  const Result<SigningOptions> options =
      choose_signature(parse_endpoint(endpoint_text).value(), addressing, region, &warn);
  if (!options.is_ok()) {
    EXPECT_EQ(options.status().code(), StatusCode::kInvalidArgument);
    return warn ? "refused+warning" : "refused";
  }
  std::string text = options->version == SignatureVersion::kV4
                         ? "v4 " + options->region + " " + options->product
                         : "v1";
  return warn ? text + "+warning" : text;
}

TEST(SignatureChoice, RegionGivenOrReadOffTheHost) {
  EXPECT_EQ(choice("oss-cn-hangzhou.aliyuncs.com"), "v4 cn-hangzhou oss");
  EXPECT_EQ(choice("oss-cn-hangzhou-internal.aliyuncs.com"), "v4 cn-hangzhou oss");
  EXPECT_EQ(choice("oss-cn-hangzhou.aliyuncs.com", "cn-beijing"), "v4 cn-beijing oss");
  EXPECT_EQ(choice("oss-accelerate.aliyuncs.com", "oss-cn-beijing"), "v4 cn-beijing oss");
  EXPECT_EQ(choice("http://127.0.0.1:9000", "cn-beijing", Addressing::kPath), "v4 cn-beijing oss");
  EXPECT_EQ(choice("data.example.com", "cn-beijing", Addressing::kCname), "v4 cn-beijing oss");
  EXPECT_EQ(choice("b.oss-cn-hangzhou.aliyuncs.com", "", Addressing::kCname), "v4 cn-hangzhou oss");
}

TEST(SignatureChoice, AsksForTheRegion) {
  EXPECT_EQ(choice("oss-accelerate.aliyuncs.com"), "refused");
  EXPECT_EQ(choice("oss.aliyuncs.com"), "refused");
  EXPECT_EQ(choice("data.example.com", "", Addressing::kCname), "refused");
  EXPECT_EQ(choice("http://127.0.0.1", "", Addressing::kCname), "refused");
  const Status status = choose_signature(parse_endpoint("oss.aliyuncs.com").value(),
                                         Addressing::kVirtual, "", nullptr)
                            .status();
  EXPECT_NE(status.message().find("region="), std::string::npos);
}

TEST(SignatureChoice, V1WithAWarningElsewhere) {
  EXPECT_EQ(choice("http://127.0.0.1:9000", "", Addressing::kPath), "v1+warning");
  EXPECT_EQ(choice("http://[::1]:9000", "", Addressing::kPath), "v1+warning");
  EXPECT_EQ(choice("http://localhost:9000", "", Addressing::kPath), "v1+warning");
  EXPECT_EQ(choice("minio.example.com"), "v1+warning");
  EXPECT_NE(v1_warning().find("region="), std::string_view::npos);
}

TEST(SignatureChoice, CloudBoxes) {
  const char* box = "cb-test123.cn-hangzhou.oss-cloudbox.aliyuncs.com";
  EXPECT_EQ(choice(box), "v4 cb-test123 oss-cloudbox");
  EXPECT_EQ(choice(box, "cn-hangzhou"), "v4 cb-test123 oss-cloudbox");
  EXPECT_EQ(choice(box, "cb-other"), "v4 cb-other oss-cloudbox");
  EXPECT_EQ(choice("box.example.com", "cb-test123"), "v4 cb-test123 oss-cloudbox");
  EXPECT_EQ(choice("x.cb-test123.cn-hangzhou.oss-cloudbox.aliyuncs.com"), "refused");
}

TEST(SignatureChoice, BadRegionText) {
  EXPECT_EQ(choice("oss-cn-hangzhou.aliyuncs.com", "CN"), "refused");
  EXPECT_EQ(choice("oss-cn-hangzhou.aliyuncs.com", "cn hangzhou"), "refused");
}

}  // namespace
}  // namespace ossmc
