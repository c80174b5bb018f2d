// Endpoints: what a user's endpoint text means, how buckets are addressed under it, and which
// region it names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace ossmc {

enum class Scheme : std::uint8_t { kHttp, kHttps };

struct Endpoint {
  Scheme scheme = Scheme::kHttps;
  std::string host;        // lower case; an IPv6 literal without its brackets
  std::uint16_t port = 0;  // 0: the scheme's own
  bool is_ip = false;
  bool is_ipv6 = false;

  bool is_localhost() const { return host == "localhost"; }
  bool is_aliyun() const;         // *.aliyuncs.com
  std::string authority() const;  // host[:port], IPv6 in brackets
  std::string text() const;       // scheme://authority
};

// `http://` or `https://` and host[:port], one trailing '/' allowed; a bare host is https.
// Userinfo, path, query, blanks and other schemes: kInvalidArgument with a text that names the part
// and the way out.
Result<Endpoint> parse_endpoint(std::string_view text);

enum class Addressing : std::uint8_t {
  kPath,     // host/bucket/key
  kVirtual,  // bucket.host/key
  kCname,    // host/key: the host is bound to one bucket
};

// "path", "virtual", "cname".
std::optional<Addressing> parse_addressing(std::string_view text);
// IP literals and localhost: path style; else virtual.
Addressing default_addressing(const Endpoint& endpoint);

// Region id without the "oss-" prefix, read off a *.aliyuncs.com host by its last labels (aliases
// resolved); nothing for accelerate, bare, cname, IP and foreign hosts. Source: Alibaba Cloud
// "Regions and endpoints".
std::optional<std::string> region_from_host(std::string_view host);
// Accepts "cn-hangzhou" and "oss-cn-hangzhou"; kInvalidArgument unless [a-z0-9-]+.
Result<std::string> normalize_region(std::string_view region);
// The id (cb-...) of the cloud box that a host of the form
// cb-ID.REGION.oss-cloudbox[-control].aliyuncs.com names.
std::optional<std::string> cloud_box_from_host(std::string_view host);

// kInvalidArgument when the host begins with the bucket already, so that virtual addressing would
// name it twice: the text names the endpoint to give instead. Other addressings and IP literals:
// always OK.
Status check_endpoint_for_bucket(const Endpoint& endpoint, Addressing addressing,
                                 std::string_view bucket);

}  // namespace ossmc
