#include "auth/string_to_sign.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "protocol/ascii.h"
#include "protocol/percent.h"

namespace ossmc {

namespace {

// Query parameters that V1 signs; case matters. The list of oss2 2.19.1 (oss2/auth.py,
// _subresource_key_set). Sorted by bytes: upper case letters come before lower case ones.
constexpr std::string_view kSubresources[] = {
    "accessPoint",
    "accessPointPolicy",
    "acl",
    "append",
    "asyncFetch",
    "bucketArchiveDirectRead",
    "bucketInfo",
    "callback",
    "callback-var",
    "cname",
    "comp",
    "continuation-token",
    "cors",
    "delete",
    "encryption",
    "endTime",
    "group",
    "httpsConfig",
    "inventory",
    "inventoryId",
    "lifecycle",
    "link",
    "live",
    "location",
    "logging",
    "metaQuery",
    "objectInfo",
    "objectMeta",
    "partNumber",
    "policy",
    "position",
    "publicAccessBlock",
    "qos",
    "qosInfo",
    "qosRequester",
    "redundancyTransition",
    "referer",
    "regionList",
    "replication",
    "replicationLocation",
    "replicationProgress",
    "requestPayment",
    "requesterQosInfo",
    "resourceGroup",
    "resourcePool",
    "resourcePoolBuckets",
    "resourcePoolInfo",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "security-token",
    "sequential",
    "startTime",
    "stat",
    "status",
    "style",
    "styleName",
    "symlink",
    "tagging",
    "transferAcceleration",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "vod",
    "website",
    "worm",
    "wormExtend",
    "wormId",
    "x-oss-ac-forward-allow",
    "x-oss-ac-source-ip",
    "x-oss-ac-subnet-mask",
    "x-oss-ac-vpc-id",
    "x-oss-access-point-name",
    "x-oss-async-process",
    "x-oss-process",
    "x-oss-redundancy-transition-taskid",
    "x-oss-request-payer",
    "x-oss-target-redundancy-type",
    "x-oss-traffic-limit",
    "x-oss-write-get-object-response",
};
static_assert(std::is_sorted(std::begin(kSubresources), std::end(kSubresources)));

bool is_oss_header(std::string_view lower_name) { return lower_name.starts_with("x-oss-"); }

bool is_signed_by_v4(std::string_view lower_name) {
  return lower_name == "content-type" || lower_name == "content-md5" || is_oss_header(lower_name);
}

// Lower-case names with trimmed values, sorted by name; of a repeated name the last.
std::map<std::string, std::string_view> canonical_headers(const StoreRequest& request) {
  std::map<std::string, std::string_view> headers;
  for (const auto& [name, value] : request.headers) {
    headers[to_ascii_lower(name)] = trim_blanks(value);
  }
  return headers;
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

// "a=1&b": by name and value; empty values without '='.
std::string join_sorted(Pairs pairs) {
  std::sort(pairs.begin(), pairs.end());
  std::string text;
  for (const auto& [name, value] : pairs) {
    if (!text.empty()) text += '&';
    text += name;
    if (!value.empty()) text += "=" + value;
  }
  return text;
}

}  // namespace

std::string string_to_sign_v1(const StoreRequest& request, std::string_view date_line) {
  const auto headers = canonical_headers(request);
  const auto value_of = [&](const char* name) {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string_view() : found->second;
  };
  std::string text(method_name(request.method));
  text += '\n';
  text += value_of("content-md5");
  text += '\n';
  text += value_of("content-type");
  text += '\n';
  text += date_line;
  text += '\n';
  for (const auto& [name, value] : headers) {
    if (!is_oss_header(name)) continue;
    text += name;
    text += ':';
    text += value;
    text += '\n';
  }
  text += canonical_resource(request);
  Pairs signed_query;
  for (const auto& [name, value] : request.query) {
    if (std::binary_search(std::begin(kSubresources), std::end(kSubresources), name)) {
      signed_query.emplace_back(name, value);
    }
  }
  if (!signed_query.empty()) text += "?" + join_sorted(std::move(signed_query));
  return text;
}

std::vector<std::string> additional_headers_v4(const StoreRequest& request,
                                               const std::vector<std::string>& wanted) {
  std::vector<std::string> names;
  if (wanted.empty()) return names;
  const auto headers = canonical_headers(request);
  for (const std::string& name : wanted) {
    std::string lower = to_ascii_lower(name);
    if (!is_signed_by_v4(lower) && headers.contains(lower)) names.push_back(std::move(lower));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::string canonical_request_v4(const StoreRequest& request,
                                 const std::vector<std::string>& additional) {
  std::string text(method_name(request.method));
  text += '\n';
  text += percent_encode_path(canonical_resource(request));
  text += '\n';
  Pairs query;
  query.reserve(request.query.size());
  for (const auto& [name, value] : request.query) {
    query.emplace_back(percent_encode(name), percent_encode(value));
  }
  text += join_sorted(std::move(query));
  text += '\n';
  for (const auto& [name, value] : canonical_headers(request)) {
    if (!is_signed_by_v4(name) && !std::binary_search(additional.begin(), additional.end(), name)) {
      continue;
    }
    text += name;
    text += ':';
    text += value;
    text += '\n';
  }
  text += '\n';
  text += join_names(additional);
  text += "\nUNSIGNED-PAYLOAD";
  return text;
}

std::string scope_v4(std::string_view iso_date, std::string_view region, std::string_view product) {
  std::string scope(iso_date.substr(0, 8));
  for (const std::string_view part : {region, product, std::string_view("aliyun_v4_request")}) {
    scope += '/';
    scope += part;
  }
  return scope;
}

std::string join_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    if (!text.empty()) text += ';';
    text += name;
  }
  return text;
}

}  // namespace ossmc
