#include "protocol/region.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace ossmc {
namespace {

std::string or_none(const std::optional<std::string>& region) { return region.value_or("none"); }

TEST(Region, IdInTheNamesThatItGoesBy) {
  const std::pair<const char*, const char*> table[] = {
      {"cn-hangzhou", "cn-hangzhou"},
      {"oss-cn-hangzhou", "cn-hangzhou"},
      {"OSS-CN-HANGZHOU-INTERNAL", "cn-hangzhou"},
      {"cn-hangzhou-vpc", "cn-hangzhou"},
      {"oss-ap-southeast-1-internal", "ap-southeast-1"},
      {"me-central-1", "me-central-1"},
      {"rg-china-mainland", "rg-china-mainland"},
      {"cn-wuhan-lr", "cn-wuhan-lr"},
      {"cn-somewhere-new", "cn-somewhere-new"},  // a region of tomorrow
      {"ap-northwest-9", "ap-northwest-9"},
      {"oss-cn-hzjbp-a-internal", "cn-hangzhou-finance"},
      {"cn-shanghai-finance-1-pub", "cn-shanghai-finance-1"},
      {"cn-shanghai-finance", "cn-shanghai-finance-1"},
      {"cn-north-2-gov-1", "cn-north-2-gov-1"},
      {"cn-heyuan-acdr-1", "cn-heyuan-acdr-1"},
      // No ids.
      {"beijing", "none"},
      {"us-west", "none"},
      {"us-models", "none"},
      {"ap-southeast-", "none"},
      {"cn-", "none"},
      {"cn--x", "none"},
      {"cn-hangzhou-", "none"},
      {"cn_hangzhou", "none"},
      {"my-data", "none"},
      {"accelerate", "none"},
      {"internal", "none"},
      {"", "none"},
      // Zones.
      {"cn-hangzhou-j", "none"},
      {"ap-southeast-1c", "none"},
  };
  for (const auto& [name, region] : table) EXPECT_EQ(or_none(region_id(name)), region) << name;
}

TEST(Region, AZoneIsInARegion) {
  EXPECT_EQ(or_none(region_of_zone("cn-hangzhou-j")), "cn-hangzhou");
  EXPECT_EQ(or_none(region_of_zone("cn-hangzhou-j-internal")), "cn-hangzhou");
  EXPECT_EQ(or_none(region_of_zone("ap-southeast-1c")), "ap-southeast-1");
  EXPECT_EQ(or_none(region_of_zone("cn-shanghai-finance-1b")), "cn-shanghai-finance-1");
  EXPECT_EQ(or_none(region_of_zone("cn-hangzhou")), "cn-hangzhou");
  EXPECT_EQ(or_none(region_of_zone("my-data-j")), "none");
}

TEST(Region, WhatWasLikelyMeant) {
  EXPECT_EQ(or_none(likely_region("beijing")), "cn-beijing");
  EXPECT_EQ(or_none(likely_region("Beijing")), "cn-beijing");
  EXPECT_EQ(or_none(likely_region("oss-hangzhou-internal")), "cn-hangzhou");
  EXPECT_EQ(or_none(likely_region("us-west")), "us-west-1");
  EXPECT_EQ(or_none(likely_region("cn_hangzhou")), "cn-hangzhou");
  EXPECT_EQ(or_none(likely_region("cn-hangzhou-j")), "cn-hangzhou");
  EXPECT_EQ(or_none(likely_region("oss-cn-hangzhou.aliyuncs.com")), "cn-hangzhou");
  EXPECT_EQ(or_none(likely_region("https://oss-cn-hangzhou-internal.aliyuncs.com/x")),
            "cn-hangzhou");
  for (const char* text : {"", "oss-", "nowhere", "data-acc", "dls", "://"}) {
    EXPECT_EQ(or_none(likely_region(text)), "none") << text;
  }
}

TEST(Region, GivenForAnyStore) {
  EXPECT_EQ(normalize_region("cn-hangzhou").value(), "cn-hangzhou");
  EXPECT_EQ(normalize_region("oss-CN-Hangzhou").value(), "cn-hangzhou");
  EXPECT_EQ(normalize_region("default").value(), "default");
  EXPECT_EQ(normalize_region("cb-f8z7yvzgwfkl9q0h").value(), "cb-f8z7yvzgwfkl9q0h");
  for (const char* region :
       {"", "oss-", "cn hangzhou", "cn/hangzhou", "cn_x", " cn", "cn-\xC3\xA4"}) {
    const Status status = normalize_region(region).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << region;
    EXPECT_NE(status.message().find("; "), std::string::npos) << status.message();
  }
}

TEST(Region, GivenForOss) {
  EXPECT_EQ(normalize_oss_region("CN-BEIJING").value(), "cn-beijing");
  EXPECT_EQ(normalize_oss_region("oss-cn-beijing-internal").value(), "cn-beijing");
  EXPECT_EQ(normalize_oss_region("cn-hzfinance").value(), "cn-hangzhou-finance");
  EXPECT_EQ(normalize_oss_region("cb-1").value(), "cb-1");
  const std::pair<const char*, const char*> table[] = {
      {"beijing", "region=\"cn-beijing\""},
      {"cn-hangzhou-j", "region=\"cn-hangzhou\""},
      {"oss-cn-shanghai.aliyuncs.com", "region=\"cn-shanghai\""},
      {"china-east", "an example"},
  };
  for (const auto& [region, advice] : table) {
    const Status status = normalize_oss_region(region).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << region;
    EXPECT_NE(status.message().find(advice), std::string::npos) << status.message();
  }
}

}  // namespace
}  // namespace ossmc
