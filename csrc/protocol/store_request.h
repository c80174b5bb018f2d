// A request in the store's own words, before it is addressed and signed, and the rules that turn it
// into a URL.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/endpoint.h"
#include "protocol/http.h"
#include "protocol/object_name.h"

namespace ossmc {

struct StoreRequest {
  Method method = Method::kGet;
  std::string bucket;
  std::string key;               // empty: a request to the bucket itself
  std::vector<NameValue> query;  // raw, not encoded; empty value: the name alone
  std::vector<NameValue> headers;
};

// scheme://authority/path?query under the given addressing; the key percent-encoded once with '/'
// kept.
std::string request_url(const Endpoint& endpoint, Addressing addressing,
                        const StoreRequest& request);

// "/bucket/key" or "/bucket/": what both signatures cover, whatever the addressing.
std::string canonical_resource(const StoreRequest& request);

// The requests this library makes. Each sends x-oss-range-behavior: standard with a Range, always
// or never, so that one signature serves every range of an object.
StoreRequest get_range_request(const ObjectName& name, ByteRange range,
                               std::string_view if_match_etag);
StoreRequest head_request(const ObjectName& name);
// The version that one of these two asks for; empty: the current one.
std::string_view version_id_of(const StoreRequest& request);
// ListObjectsV2, 1,000 keys a page, encoding-type=url. Empty token, start_after, delimiter: left
// out.
StoreRequest list_request(std::string_view bucket, std::string_view prefix,
                          std::string_view start_after, std::string_view continuation_token,
                          std::string_view delimiter = {});

}  // namespace ossmc
