#include "protocol/endpoint.h"

#include <arpa/inet.h>

#include <algorithm>

#include "protocol/aliyun_host.h"
#include "protocol/ascii.h"
#include "protocol/object_name.h"
#include "protocol/region.h"

namespace ossmc {

namespace {

constexpr std::string_view kAliyunSuffix = ".aliyuncs.com";
constexpr std::size_t kMaxHostBytes = 253;  // RFC 1035, without the root's dot
constexpr std::size_t kMaxLabelBytes = 63;
constexpr const char* kExample = "https://oss-cn-hangzhou.aliyuncs.com";

// The way out where the text alone does not show it.
Status malformed(const std::string& why) {
  return invalid_argument(why + "; an example: " + kExample);
}

Status check_host_name(std::string_view host) {
  if (host.empty()) return malformed("the endpoint has no host");
  if (host.size() > kMaxHostBytes) {
    return malformed("the endpoint's host is longer than 253 characters");
  }
  for (const char c : host) {
    if (static_cast<unsigned char>(c) >= 0x80) {
      return invalid_argument("the endpoint's host " + in_quotes(host) +
                              " is not ASCII: write an international name in its xn-- form");
    }
    if (!(c >= 'a' && c <= 'z') && !is_ascii_digit(c) && c != '-' && c != '_' && c != '.') {
      return malformed("the endpoint's host " + in_quotes(host) +
                       " has a character that no host has");
    }
  }
  for (std::string_view rest = host;;) {
    const std::size_t dot = rest.find('.');
    const std::string_view label = rest.substr(0, dot);
    if (label.empty() || label.size() > kMaxLabelBytes) {
      return malformed("the endpoint's host " + in_quotes(host) +
                       " has a part between dots that is empty or longer than 63 characters");
    }
    if (dot == rest.npos) return Status::ok();
    rest.remove_prefix(dot + 1);
  }
}

// Splits host[:port] or [IPv6][:port]. Everything else about the endpoint has been checked.
Status parse_authority(std::string_view text, Endpoint* endpoint) {
  std::string_view host = text;
  std::optional<std::string_view> port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == text.npos) {
      return invalid_argument(
          "the endpoint's IPv6 address lacks its ]: write it as in http://[::1]:9000");
    }
    host = text.substr(1, end - 1);
    const std::string_view after = text.substr(end + 1);
    if (after.starts_with(':')) {
      port = after.substr(1);
    } else if (!after.empty()) {
      return invalid_argument("the endpoint goes on after its IPv6 address with " +
                              in_quotes(after) + ": only :port may follow");
    }
    endpoint->is_ip = endpoint->is_ipv6 = true;
  } else if (const std::size_t colon = text.find(':'); colon != text.npos) {
    if (text.find(':', colon + 1) != text.npos) {
      return invalid_argument(
          "an IPv6 address in an endpoint stands in brackets, as in http://[::1]:9000");
    }
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  if (port) {
    const auto number = parse_decimal(*port, 65535);
    if (!number || *number == 0) {
      return malformed("the endpoint's port " + in_quotes(*port) +
                       " is not a number from 1 to 65535: correct it or leave it out");
    }
    endpoint->port = static_cast<std::uint16_t>(*number);
  }
  endpoint->host = to_ascii_lower(host);
  if (!endpoint->is_ipv6 && endpoint->host.size() > 1 && endpoint->host.ends_with('.')) {
    endpoint->host.pop_back();  // the root's, which certificates and the Host header do not have
  }
  if (endpoint->is_ipv6) {
    in6_addr address;
    if (inet_pton(AF_INET6, endpoint->host.c_str(), &address) != 1 ||
        host.find('\0') != host.npos) {
      return invalid_argument("the endpoint's " + in_quotes(host) +
                              " is not an IPv6 address: write it as in http://[::1]:9000");
    }
    return Status::ok();
  }
  Status status = check_host_name(endpoint->host);
  if (!status.is_ok()) return status;
  // A name whose last label is a number is an IPv4 address to every resolver, some odd spellings
  // included.
  const std::string_view last =
      std::string_view(endpoint->host).substr(endpoint->host.rfind('.') + 1);
  if (std::all_of(last.begin(), last.end(), is_ascii_digit)) {
    in_addr address;
    if (inet_pton(AF_INET, endpoint->host.c_str(), &address) != 1) {
      return invalid_argument("the endpoint's host " + in_quotes(host) +
                              " is not an IPv4 address of four numbers, as in http://10.0.0.1");
    }
    endpoint->is_ip = true;
  }
  return Status::ok();
}

// "https:/host", "https//host", and what is left of "http://https://host".
bool has_misspelt_scheme(std::string_view text) {
  const std::string lower = to_ascii_lower(text.substr(0, 7));
  for (const std::string_view scheme : {"https:/", "https//", "http:/", "http//"}) {
    if (lower.starts_with(scheme)) return true;
  }
  return false;
}

std::string oss_endpoint(Scheme scheme, std::string_view region) {
  return std::string(scheme == Scheme::kHttp ? "http" : "https")
      .append("://oss-")
      .append(region)
      .append(kAliyunSuffix);
}

// What is written for an endpoint of OSS, and is none: a region without the domain, or with another
// one of Alibaba Cloud's. A name with a port may be anybody's.
Status check_is_whole_name(const Endpoint& endpoint) {
  const std::string_view host = endpoint.host;
  if (endpoint.port != 0 || endpoint.is_aliyun()) return Status::ok();
  std::string_view domain = host;
  while (!domain.empty()) {
    const std::size_t dot = domain.find('.');
    const auto region = region_id(domain.substr(0, dot));
    domain.remove_prefix(dot == domain.npos ? domain.size() : dot + 1);
    if (!region) continue;
    const bool is_region_alone =
        domain.empty() && (host.starts_with("oss-") || is_known_region(*region));
    const bool is_near_domain =
        differs_by_a_letter(domain, "aliyuncs.com") ||
        ((domain.starts_with("aliyun.") || domain.starts_with("aliyuncs.")) &&
         std::count(domain.begin(), domain.end(), '.') <= 2);
    if (!is_region_alone && !is_near_domain) continue;
    return invalid_argument("the endpoint's host " + in_quotes(host) +
                            " does not end in .aliyuncs.com: write " +
                            oss_endpoint(endpoint.scheme, *region));
  }
  return Status::ok();
}

}  // namespace

bool Endpoint::is_aliyun() const { return host.ends_with(kAliyunSuffix); }

std::string Endpoint::authority() const {
  std::string text = is_ipv6 ? "[" + host + "]" : host;
  if (port != 0) text += ":" + std::to_string(port);
  return text;
}

std::string Endpoint::text() const {
  return (scheme == Scheme::kHttp ? "http://" : "https://") + authority();
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  // First, since no other message may then repeat a password or a signature.
  if (text.find('@') != text.npos || text.find("%40") != text.npos) {
    return invalid_argument(
        "the endpoint holds user information (text before an @): leave it out, credentials come "
        "from cred_provider or cred_path");
  }
  if (text.find_first_of("?#") != text.npos) {
    return malformed("the endpoint holds a query (text from ? or # on): leave it out");
  }
  if (text.empty()) return malformed("the endpoint is empty");
  if (std::any_of(text.begin(), text.end(),
                  [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F; })) {
    return malformed("the endpoint " + in_quotes(text) +
                     " holds a blank or a control character: take it out");
  }
  Endpoint endpoint;
  std::string_view rest = text;
  if (const std::size_t mark = text.find("://"); mark != text.npos) {
    const std::string scheme = to_ascii_lower(text.substr(0, mark));
    if (scheme != "http" && scheme != "https") {
      return malformed("the endpoint's scheme is " + in_quotes(scheme) +
                       ": use http:// or https://");
    }
    endpoint.scheme = scheme == "http" ? Scheme::kHttp : Scheme::kHttps;
    rest.remove_prefix(mark + 3);
  }
  if (has_misspelt_scheme(rest)) {
    return malformed("the endpoint's scheme is to be written once, as http:// or https://");
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (const std::size_t slash = rest.find_first_of("/\\"); slash != rest.npos) {
    return malformed("the endpoint holds the path " + in_quotes(rest.substr(slash)) +
                     ": leave it out, bucket and key are named by oss://bucket/key");
  }
  Status status = parse_authority(rest, &endpoint);
  if (!status.is_ok()) return status;
  status = check_is_whole_name(endpoint);
  if (!status.is_ok()) return status;
  return endpoint;
}

std::optional<Addressing> parse_addressing(std::string_view text) {
  if (text == "path") return Addressing::kPath;
  if (text == "virtual") return Addressing::kVirtual;
  if (text == "cname") return Addressing::kCname;
  return std::nullopt;
}

Addressing default_addressing(const Endpoint& endpoint) {
  return endpoint.is_ip || endpoint.is_localhost() ? Addressing::kPath : Addressing::kVirtual;
}

Status check_addressing(const Endpoint& endpoint, Addressing addressing) {
  if (addressing != Addressing::kVirtual || !endpoint.is_ip) return Status::ok();
  return invalid_argument(
      "\"addressing\" is \"virtual\", which puts the bucket before the host, and nothing can "
      "stand before the address " +
      endpoint.authority() +
      ": leave \"addressing\" out or set it to \"path\", or name the host by a name");
}

Status check_endpoint_for_bucket(const Endpoint& endpoint, Addressing addressing,
                                 std::string_view bucket) {
  const std::string_view host = endpoint.host;
  if (addressing != Addressing::kVirtual || endpoint.is_ip || bucket.empty()) return Status::ok();
  if (bucket.size() + 1 + host.size() > kMaxHostBytes) {
    return invalid_argument("bucket and endpoint's host together, " + in_quotes(bucket) + " and " +
                            in_quotes(host) +
                            ", are longer than the 253 characters of a host's name: set "
                            "\"addressing\" to \"path\", or give another endpoint");
  }
  Endpoint without = endpoint;
  std::string_view front;
  if (const auto known = read_aliyun_host(host); known && !known->endpoint.empty()) {
    front = host.substr(0, known->bucket.size());
    without.host = known->endpoint;
  } else if (host.starts_with(bucket) && host.substr(bucket.size()).starts_with('.')) {
    front = bucket;
    without.host = host.substr(bucket.size() + 1);
  }
  if (front.empty()) return Status::ok();
  return invalid_argument(
      "the endpoint's host " + in_quotes(host) + " begins with " +
      (front == bucket ? "the bucket " : "a bucket, as it seems, ") + in_quotes(front) +
      ": give the endpoint without it (" + printable(without.text(), 300) +
      "), or set \"addressing\" to \"cname\" if this host is bound to the bucket");
}

}  // namespace ossmc
