#include "protocol/store_request.h"

#include "protocol/percent.h"

namespace ossmc {

namespace {

constexpr std::string_view kVersionId = "versionId";

StoreRequest object_request(Method method, const ObjectName& name) {
  StoreRequest request;
  request.method = method;
  request.bucket = name.bucket;
  request.key = name.key;
  if (!name.version_id.empty()) request.query.push_back({std::string(kVersionId), name.version_id});
  return request;
}

}  // namespace

std::string request_url(const Endpoint& endpoint, Addressing addressing,
                        const StoreRequest& request) {
  std::string url = endpoint.scheme == Scheme::kHttp ? "http://" : "https://";
  if (addressing == Addressing::kVirtual) url += request.bucket + ".";
  url += endpoint.authority();
  url += '/';
  if (addressing == Addressing::kPath) url += percent_encode(request.bucket) + "/";
  url += percent_encode_path(request.key);
  char separator = '?';
  for (const auto& [name, value] : request.query) {
    url += separator;
    url += percent_encode(name);
    if (!value.empty()) url += "=" + percent_encode(value);
    separator = '&';
  }
  return url;
}

std::string canonical_resource(const StoreRequest& request) {
  return "/" + request.bucket + "/" + request.key;
}

StoreRequest get_range_request(const ObjectName& name, ByteRange range,
                               std::string_view if_match_etag) {
  StoreRequest request = object_request(Method::kGet, name);
  request.headers.push_back({"Range", format_range_header(range)});
  request.headers.push_back({"x-oss-range-behavior", "standard"});
  if (!if_match_etag.empty()) {
    request.headers.push_back({"If-Match", "\"" + std::string(if_match_etag) + "\""});
  }
  return request;
}

StoreRequest head_request(const ObjectName& name) { return object_request(Method::kHead, name); }

std::string_view version_id_of(const StoreRequest& request) {
  for (const auto& [name, value] : request.query) {
    if (name == kVersionId) return value;
  }
  return {};
}

StoreRequest list_request(std::string_view bucket, std::string_view prefix,
                          std::string_view start_after, std::string_view continuation_token,
                          std::string_view delimiter) {
  StoreRequest request;
  request.method = Method::kGet;
  request.bucket = bucket;
  request.query = {{"list-type", "2"}, {"max-keys", "1000"}, {"encoding-type", "url"}};
  const auto add = [&](const char* name, std::string_view value) {
    if (!value.empty()) request.query.push_back({name, std::string(value)});
  };
  add("prefix", prefix);
  add("start-after", start_after);
  add("continuation-token", continuation_token);
  add("delimiter", delimiter);
  return request;
}

}  // namespace ossmc
