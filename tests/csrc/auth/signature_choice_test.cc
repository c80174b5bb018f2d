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
  EXPECT_EQ(choice("oss-cn-hangzhou.aliyuncs.com", "OSS-CN-Hangzhou-internal"),
            "v4 cn-hangzhou oss");
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
  EXPECT_EQ(choice(box, "cb-test123"), "v4 cb-test123 oss-cloudbox");
  EXPECT_EQ(choice(box, "cb-other"), "refused");
  EXPECT_EQ(choice("box.example.com", "cb-test123"), "v4 cb-test123 oss-cloudbox");
  EXPECT_EQ(choice("x.cb-test123.cn-hangzhou.oss-cloudbox.aliyuncs.com"),
            "v4 cb-test123 oss-cloudbox");
}

std::string refusal(const char* endpoint, const char* region,
                    Addressing addressing = Addressing::kVirtual) {
  const auto options =
      choose_signature(parse_endpoint(endpoint).value(), addressing, region, nullptr);
  return options.is_ok() ? "accepted" : options.status().message();
}

TEST(SignatureChoice, ARegionThatContradictsTheHostIsRefused) {
  for (const char* host : {"oss-cn-hangzhou.aliyuncs.com", "models.oss-cn-hangzhou.aliyuncs.com",
                           "cn-hangzhou-j-internal.oss-data-acc.aliyuncs.com"}) {
    const std::string text = refusal(host, "cn-beijing");
    EXPECT_NE(text.find("region=\"cn-beijing\""), std::string::npos) << text;
    EXPECT_NE(text.find("cn-hangzhou"), std::string::npos) << text;
    EXPECT_NE(text.find("leave region="), std::string::npos) << text;
  }
  // Where it is not certain what the host says, what was given wins.
  EXPECT_EQ(choice("oss-cn-tomorrow.aliyuncs.com", "cn-hangzhou-finance"),
            "v4 cn-hangzhou-finance oss");
}

TEST(SignatureChoice, AMisspeltRegionInTheHostIsAskedFor) {
  for (const char* host : {"oss-cn-hangzou.aliyuncs.com", "oss-cn-hangzhuo-internal.aliyuncs.com",
                           "cn-hangzhoou.oss.aliyuncs.com"}) {
    const std::string text = refusal(host, "");
    EXPECT_NE(text.find("cn-hangzhou is meant"), std::string::npos) << text;
  }
  EXPECT_EQ(choice("oss-cn-hangzou.aliyuncs.com", "cn-hangzou"), "v4 cn-hangzou oss");
  EXPECT_EQ(choice("oss-ap-southeast-9.aliyuncs.com"), "v4 ap-southeast-9 oss");
}

TEST(SignatureChoice, ARegionThatLacksSomethingIsNamed) {
  for (const char* host : {"oss-cn-beijing.aliyuncs.com", "oss-accelerate.aliyuncs.com"}) {
    EXPECT_NE(refusal(host, "beijing").find("region=\"cn-beijing\""), std::string::npos) << host;
  }
  EXPECT_NE(
      refusal("data.example.com", "beijing", Addressing::kCname).find("region=\"cn-beijing\""),
      std::string::npos);
  // Other stores call their regions as they like.
  EXPECT_EQ(choice("minio.example.com", "beijing"), "v4 beijing oss");
  EXPECT_EQ(choice("http://10.0.0.1", "default", Addressing::kPath), "v4 default oss");
}

TEST(SignatureChoice, AHostThatIsAlmostAnEndpointIsNamed) {
  for (const char* host :
       {"oss-hangzhou.aliyuncs.com", "cn-hangzhou.aliyuncs.com", "hangzhou.aliyuncs.com",
        "oss-cn-hangzhou-j.aliyuncs.com", "oss.cn-hangzhou.aliyuncs.com"}) {
    const std::string text = refusal(host, "");
    EXPECT_NE(text.find("region="), std::string::npos) << text;
    EXPECT_NE(text.find("https://oss-cn-hangzhou.aliyuncs.com is meant"), std::string::npos)
        << text;
  }
  // A bucket's name is no hint.
  EXPECT_EQ(refusal("cn-hangzhou.oss-accelerate.aliyuncs.com", "").find("is meant"),
            std::string::npos);
}

TEST(SignatureChoice, BadRegionText) {
  EXPECT_EQ(choice("oss-cn-hangzhou.aliyuncs.com", "CN"), "refused");
  EXPECT_EQ(choice("oss-cn-hangzhou.aliyuncs.com", "cn hangzhou"), "refused");
}

}  // namespace
}  // namespace ossmc
