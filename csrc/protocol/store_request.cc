#include "protocol/store_request.h"

#include "protocol/percent.h"

namespace ossmc {

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

StoreRequest get_range_request(std::string_view bucket, std::string_view key, ByteRange range,
                               std::string_view if_match_etag) {
  StoreRequest request;
  request.method = Method::kGet;
  request.bucket = bucket;
  request.key = key;
  request.headers.push_back({"Range", format_range_header(range)});
  request.headers.push_back({"x-oss-range-behavior", "standard"});
  if (!if_match_etag.empty()) {
    request.headers.push_back({"If-Match", "\"" + std::string(if_match_etag) + "\""});
  }
  return request;
}

StoreRequest head_request(std::string_view bucket, std::string_view key) {
  StoreRequest request;
  request.method = Method::kHead;
  request.bucket = bucket;
  request.key = key;
  return request;
}

StoreRequest list_request(std::string_view bucket, std::string_view prefix,
                          std::string_view start_after, std::string_view continuation_token) {
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
  return request;
}

}  // namespace ossmc
