// Endpoints: what a user's endpoint text means, and how buckets are addressed under it.
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
  std::string host;        // lower case, no dot at its end; an IPv6 literal without its brackets
  std::uint16_t port = 0;  // 0: the scheme's own
  bool is_ip = false;
  bool is_ipv6 = false;

  bool is_localhost() const { return host == "localhost"; }
  bool is_aliyun() const;         // *.aliyuncs.com
  std::string authority() const;  // host[:port], IPv6 in brackets
  std::string text() const;       // scheme://authority
};

// `http://` or `https://` and host[:port], one trailing '/' allowed, and the dot of the root behind
// the host; a bare host is https. Userinfo, path, query, blanks and other schemes, a region in
// place of a host, aliyun's other domains: kInvalidArgument with a text that names the part and the
// way out, and repeats no password and no query.
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

// kInvalidArgument when the bucket would stand before an IP address.
Status check_addressing(const Endpoint& endpoint, Addressing addressing);

// kInvalidArgument when the host begins with a bucket already, so that virtual addressing would
// name two: the text names the endpoint to give instead. Which labels of another provider's host
// are a bucket cannot be known: there only this very bucket is told. Also when bucket and host
// together are longer than a name may be. Other addressings and IP literals: always OK.
Status check_endpoint_for_bucket(const Endpoint& endpoint, Addressing addressing,
                                 std::string_view bucket);

}  // namespace ossmc
