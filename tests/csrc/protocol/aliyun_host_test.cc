#include "protocol/aliyun_host.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "protocol/region.h"

namespace ossmc {
namespace {

std::string region_of(std::string_view host) { return region_from_host(host).value_or("none"); }

TEST(AliyunHost, EveryRegionByItsPublicInternalAndDualStackName) {
  for (const char* region : {"cn-hangzhou",
                             "cn-shanghai",
                             "cn-nanjing",
                             "cn-fuzhou",
                             "cn-wuhan-lr",
                             "cn-qingdao",
                             "cn-beijing",
                             "cn-zhangjiakou",
                             "cn-huhehaote",
                             "cn-wulanchabu",
                             "cn-shenzhen",
                             "cn-heyuan",
                             "cn-guangzhou",
                             "cn-chengdu",
                             "cn-zhongwei",
                             "cn-zhengzhou-jva",
                             "cn-hongkong",
                             "us-west-1",
                             "us-east-1",
                             "us-southeast-1",
                             "na-south-1",
                             "ap-northeast-1",
                             "ap-northeast-2",
                             "ap-southeast-1",
                             "ap-southeast-3",
                             "ap-southeast-5",
                             "ap-southeast-6",
                             "ap-southeast-7",
                             "ap-south-1",
                             "eu-central-1",
                             "eu-west-1",
                             "me-east-1",
                             "me-central-1",
                             "cn-north-2-gov-1",
                             "cn-hangzhou-finance",
                             "cn-shanghai-finance-1",
                             "cn-shenzhen-finance-1",
                             "cn-beijing-finance-1"}) {
    const std::string id = region;
    EXPECT_TRUE(is_known_region(id)) << id;
    for (const std::string& host : {
             "oss-" + id + ".aliyuncs.com",
             "oss-" + id + "-internal.aliyuncs.com",
             id + ".oss.aliyuncs.com",
             "models.oss-" + id + "-internal.aliyuncs.com",
             id + ".oss-dls.aliyuncs.com",
             id + "-internal.oss-data-acc.aliyuncs.com",
             "s3.oss-" + id + ".aliyuncs.com",
             "vpc100-oss-" + id + ".aliyuncs.com",
         }) {
      EXPECT_EQ(region_of(host), id) << host;
    }
  }
}

TEST(AliyunHost, FormsOfEndpoints) {
  const std::pair<const char*, const char*> table[] = {
      {"OSS-CN-HANGZHOU.ALIYUNCS.COM", "cn-hangzhou"},
      {"oss-cn-hangzhou.aliyuncs.com.", "cn-hangzhou"},
      {"oss-cn-hangzhou-vpc.aliyuncs.com", "cn-hangzhou"},
      {"oss-rg-china-mainland.aliyuncs.com", "rg-china-mainland"},
      {"oss-cn-tomorrow.aliyuncs.com", "cn-tomorrow"},
      // Accelerators are called after zones.
      {"cn-hangzhou-j-internal.oss-data-acc.aliyuncs.com", "cn-hangzhou"},
      {"cn-beijing-h-internal.oss-data-acc.aliyuncs.com", "cn-beijing"},
      {"ap-southeast-1c-internal.oss-data-acc.aliyuncs.com", "ap-southeast-1"},
      {"models.cn-shanghai-g-internal.oss-data-acc.aliyuncs.com", "cn-shanghai"},
      {"oss-cache-cn-beijing-h.aliyuncs.com", "cn-beijing"},
      // Other services of a region.
      {"cn-wulanchabu.oss-dls.aliyuncs.com", "cn-wulanchabu"},
      {"models.cn-wulanchabu.oss-dls.aliyuncs.com", "cn-wulanchabu"},
      {"oss-cn-hangzhou-internal.oss-object-process.aliyuncs.com", "cn-hangzhou"},
      {"ep-bp1abc.oss.cn-hangzhou.privatelink.aliyuncs.com", "cn-hangzhou"},
      {"vpc100-oss-cn-beijing.aliyuncs.com", "cn-beijing"},
      {"models.vpc100-oss-cn-beijing.aliyuncs.com", "cn-beijing"},
      {"models.s3.oss-cn-beijing.aliyuncs.com", "cn-beijing"},
      // A bucket in front, even one that is called like an endpoint.
      {"models.oss-us-west-1.aliyuncs.com", "us-west-1"},
      {"oss-cn-beijing.oss-cn-shanghai.aliyuncs.com", "cn-shanghai"},
      {"oss-trap.cn-hangzhou.oss.aliyuncs.com", "cn-hangzhou"},
      // Finance clouds.
      {"oss-cn-hzjbp.aliyuncs.com", "cn-hangzhou-finance"},
      {"oss-cn-hzjbp-a-internal.aliyuncs.com", "cn-hangzhou-finance"},
      {"oss-cn-hzjbp-b-internal.aliyuncs.com", "cn-hangzhou-finance"},
      {"oss-cn-hzfinance.aliyuncs.com", "cn-hangzhou-finance"},
      {"oss-cn-hzfinance-internal.aliyuncs.com", "cn-hangzhou-finance"},
      {"oss-cn-szfinance.aliyuncs.com", "cn-shenzhen-finance-1"},
      {"oss-cn-shanghai-finance-1-pub.aliyuncs.com", "cn-shanghai-finance-1"},
      {"oss-cn-shanghai-finance-1-pub-internal.aliyuncs.com", "cn-shanghai-finance-1"},
      {"oss-cn-beijing-finance-1-pub.aliyuncs.com", "cn-beijing-finance-1"},
      {"cn-shanghai-finance.oss.aliyuncs.com", "cn-shanghai-finance-1"},
      {"cn-shenzhen-finance.oss.aliyuncs.com", "cn-shenzhen-finance-1"},
  };
  for (const auto& [host, region] : table) EXPECT_EQ(region_of(host), region) << host;
}

TEST(AliyunHost, NoRegionIsInvented) {
  for (const char* host : {
           "oss-accelerate.aliyuncs.com",
           "oss-accelerate-overseas.aliyuncs.com",
           "models.oss-accelerate.aliyuncs.com",
           "cn-beijing.oss-accelerate.aliyuncs.com",  // a bucket's name
           "oss.aliyuncs.com",
           "us-models.oss.aliyuncs.com",
           "oss-internal.aliyuncs.com",
           "oss-.aliyuncs.com",
           "oss--internal.aliyuncs.com",
           "oss-hangzhou.aliyuncs.com",
           "cn-beijing.oss-hangzhou.aliyuncs.com",
           "oss-cn-hangzhou-j.aliyuncs.com",
           "cn-beijing.oss-cn-hangzhou-j.aliyuncs.com",
           "oss-data-acc.aliyuncs.com",
           "oss-dls.aliyuncs.com",
           "my-data.oss-dls.aliyuncs.com",
           "s3.aliyuncs.com",
           "vpc100-cn-hangzhou.aliyuncs.com",
           "vpc-oss.aliyuncs.com",
           "cb-1.cn-hangzhou.oss-cloudbox.aliyuncs.com",
           "cb-1.cn-hangzhou.oss-cloudbox-control.aliyuncs.com",
           "ep-bp1abc.privatelink.aliyuncs.com",
           "cn-hangzhou.aliyuncs.com",
           "ecs.cn-hangzhou.aliyuncs.com",
           "oss-cn-hangzhou.ecs.aliyuncs.com",
           "aliyuncs.com",
           ".aliyuncs.com",
           ".oss.aliyuncs.com",
           "data.example.com",
           "oss-cn-hangzhou.aliyuncs.com.example.org",
           "oss-cn-hangzhou.aliyuncs.com..",
           "127.0.0.1",
           "::1",
           "localhost",
           "",
       }) {
    EXPECT_EQ(region_of(host), "none") << host;
  }
}

// "bucket|endpoint" as far as the host tells them.
std::string halves(std::string_view host) {
  const auto found = read_aliyun_host(host);
  return found ? found->bucket + "|" + found->endpoint : "foreign";
}

TEST(AliyunHost, BucketAndEndpoint) {
  const std::pair<const char*, const char*> table[] = {
      {"oss-cn-hangzhou.aliyuncs.com", "|oss-cn-hangzhou.aliyuncs.com"},
      {"m.oss-cn-hangzhou.aliyuncs.com", "m|oss-cn-hangzhou.aliyuncs.com"},
      {"a.b.oss-cn-hangzhou.aliyuncs.com", "a.b|oss-cn-hangzhou.aliyuncs.com"},
      {"s3.oss-cn-hangzhou.aliyuncs.com", "|s3.oss-cn-hangzhou.aliyuncs.com"},
      {"m.s3.oss-cn-hangzhou.aliyuncs.com", "m|s3.oss-cn-hangzhou.aliyuncs.com"},
      {"cn-hangzhou.oss.aliyuncs.com", "|cn-hangzhou.oss.aliyuncs.com"},
      {"m.cn-hangzhou.oss.aliyuncs.com", "m|cn-hangzhou.oss.aliyuncs.com"},
      {"m.oss.aliyuncs.com", "m|oss.aliyuncs.com"},
      {"m.oss-accelerate.aliyuncs.com", "m|oss-accelerate.aliyuncs.com"},
      {"m.cn-hangzhou-j-internal.oss-data-acc.aliyuncs.com",
       "m|cn-hangzhou-j-internal.oss-data-acc.aliyuncs.com"},
      {"cb-1.cn-x.oss-cloudbox.aliyuncs.com", "|cb-1.cn-x.oss-cloudbox.aliyuncs.com"},
      {"m.cb-1.cn-x.oss-cloudbox.aliyuncs.com", "m|cb-1.cn-x.oss-cloudbox.aliyuncs.com"},
      {"m.vpc100-oss-cn-beijing.aliyuncs.com", "m|vpc100-oss-cn-beijing.aliyuncs.com"},
      // Not known.
      {"xx-what-1.oss.aliyuncs.com", "|"},
      {"m.oss-dls.aliyuncs.com", "|"},
      {"ecs.cn-hangzhou.aliyuncs.com", "|"},
      {"ep-1.oss.cn-hangzhou.privatelink.aliyuncs.com", "|"},
      {"m.example.com", "foreign"},
  };
  for (const auto& [host, want] : table) EXPECT_EQ(halves(host), want) << host;
}

TEST(AliyunHost, CloudBoxes) {
  const auto box_of = [](std::string_view host) {
    const auto found = read_aliyun_host(host);
    return found ? found->cloud_box.value_or("none") : "foreign";
  };
  EXPECT_EQ(box_of("cb-test123.cn-hangzhou.oss-cloudbox.aliyuncs.com"), "cb-test123");
  EXPECT_EQ(box_of("CB-1.cn-x.oss-cloudbox-control.aliyuncs.com"), "cb-1");
  EXPECT_EQ(box_of("bucket.cb-1.cn-x.oss-cloudbox.aliyuncs.com"), "cb-1");
  for (const char* host : {
           "cb-1.oss-cloudbox.aliyuncs.com",
           "xb-1.cn-x.oss-cloudbox.aliyuncs.com",
           "cb-1.cn-x.oss-other.aliyuncs.com",
           "cb-_.cn-x.oss-cloudbox.aliyuncs.com",
       }) {
    EXPECT_EQ(box_of(host), "none") << host;
  }
  EXPECT_EQ(box_of("cb-1.cn-x.oss-cloudbox.aliyuncs.com.org"), "foreign");
}

}  // namespace
}  // namespace ossmc
