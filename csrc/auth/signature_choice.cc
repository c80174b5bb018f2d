#include "auth/signature_choice.h"

#include <optional>
#include <utility>

#include "protocol/aliyun_host.h"
#include "protocol/object_name.h"
#include "protocol/region.h"

namespace ossmc {

namespace {

SigningOptions v4(std::string region) {
  SigningOptions options;
  options.version = SignatureVersion::kV4;
  if (region.starts_with("cb-")) options.product = "oss-cloudbox";
  options.region = std::move(region);
  return options;
}

// An endpoint that may have been meant, where the host is none that is known here: its last label
// that sounds like a region.
std::string advice_for(const Endpoint& endpoint, const AliyunHost* host) {
  if (host == nullptr || !host->endpoint.empty()) return {};
  std::string_view rest = endpoint.host;
  for (std::size_t dot = rest.rfind('.'); !rest.empty(); dot = rest.rfind('.')) {
    const std::string_view label = dot == rest.npos ? rest : rest.substr(dot + 1);
    if (const auto region = likely_region(label)) {
      return "; perhaps endpoint https://oss-" + *region + ".aliyuncs.com is meant";
    }
    rest = dot == rest.npos ? std::string_view() : rest.substr(0, dot);
  }
  return {};
}

Status region_unknown(const Endpoint& endpoint, const AliyunHost* host) {
  return invalid_argument("the region of endpoint " + printable(endpoint.text(), 300) +
                          " cannot be told from its host: give region= (for example "
                          "region=\"cn-hangzhou\", the region that the bucket lies in)" +
                          advice_for(endpoint, host));
}

// A region that nobody gave, and that is not known here, but almost: to be given by name.
Status check_spelling(const Endpoint& endpoint, const AliyunHost& host) {
  const auto known = host.region ? misspelt_region(*host.region) : std::nullopt;
  if (!known) return Status::ok();
  return invalid_argument("the endpoint " + printable(endpoint.text(), 300) + " names region " +
                          *host.region + ", which is not known here: perhaps " + *known +
                          " is meant; if it is right, give region=\"" + *host.region + "\" too");
}

// `given` is refused where the host tells another one. A region that is not known here may be read
// wrongly off a host of a new form: then what was given wins.
Status check_against_host(const Endpoint& endpoint, const AliyunHost& host,
                          const std::string& given) {
  const bool is_box = host.cloud_box.has_value();
  if (is_box && !given.starts_with("cb-")) return Status::ok();  // the region that it stands in
  const std::optional<std::string>& told = is_box ? host.cloud_box : host.region;
  if (!told || *told == given || !(is_box || is_known_region(*told))) return Status::ok();
  return invalid_argument("region=\"" + given + "\" contradicts the endpoint " +
                          printable(endpoint.text(), 300) + ", whose region is " + *told +
                          ": leave region= (or OSS_REGION) out, or give the endpoint of " + given);
}

}  // namespace

Result<SigningOptions> choose_signature(const Endpoint& endpoint, Addressing addressing,
                                        std::string_view region_or_empty, bool* warn_v1) {
  if (warn_v1 != nullptr) *warn_v1 = false;
  const std::optional<AliyunHost> host = read_aliyun_host(endpoint.host);
  // A custom domain is bound to a bucket of OSS itself; other hosts may be any store's.
  const bool is_oss = host.has_value() || addressing == Addressing::kCname;
  std::optional<std::string> region;
  if (!region_or_empty.empty()) {
    Result<std::string> given =
        is_oss ? normalize_oss_region(region_or_empty) : normalize_region(region_or_empty);
    if (!given.is_ok()) return given.status();
    if (host) {
      const Status status = check_against_host(endpoint, *host, *given);
      if (!status.is_ok()) return status;
    }
    region = std::move(given).value();
  }
  // A cloud box signs with its own id, even where the region that it stands in was given.
  if (host && host->cloud_box) region = host->cloud_box;
  if (host && !region) {
    const Status status = check_spelling(endpoint, *host);
    if (!status.is_ok()) return status;
    region = host->region;
  }
  if (region) return v4(*std::move(region));
  if (is_oss) return region_unknown(endpoint, host ? &*host : nullptr);
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
