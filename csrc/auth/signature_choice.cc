#include "auth/signature_choice.h"

#include <optional>
#include <utility>

#include "protocol/object_name.h"

namespace ossmc {

namespace {

SigningOptions v4(std::string region) {
  SigningOptions options;
  options.version = SignatureVersion::kV4;
  if (region.starts_with("cb-")) options.product = "oss-cloudbox";
  options.region = std::move(region);
  return options;
}

}  // namespace

Result<SigningOptions> choose_signature(const Endpoint& endpoint, Addressing addressing,
                                        std::string_view region_or_empty, bool* warn_v1) {
  if (warn_v1 != nullptr) *warn_v1 = false;
  std::optional<std::string> region;
  if (!region_or_empty.empty()) {
    Result<std::string> given = normalize_region(region_or_empty);
    if (!given.is_ok()) return given.status();
    region = std::move(given).value();
  }
  // A cloud box signs with its own id, even where the region that it stands in was given.
  if (!region || !region->starts_with("cb-")) {
    if (auto box = cloud_box_from_host(endpoint.host)) region = std::move(box);
  }
  if (!region) region = region_from_host(endpoint.host);
  if (region) return v4(*std::move(region));
  if (endpoint.is_aliyun() || addressing == Addressing::kCname) {
    return Status(StatusCode::kInvalidArgument,
                  "the region of endpoint " + printable(endpoint.text(), 300) +
                      " cannot be told from its host: give region= (for example "
                      "region=\"cn-hangzhou\", the region that the bucket lies in)");
  }
  if (warn_v1 != nullptr) *warn_v1 = true;
  SigningOptions options;
  options.version = SignatureVersion::kV1;
  return options;
}

std::string_view v1_warning() {
  return "no region is known for this endpoint, so requests are signed with signature V1, which is "
         "closed to new accounts and buckets of Alibaba Cloud OSS: give region= to use V4";
}

}  // namespace ossmc
