#include "protocol/endpoint.h"

#include <arpa/inet.h>

#include <algorithm>
#include <utility>

#include "protocol/ascii.h"
#include "protocol/object_name.h"

namespace ossmc {

namespace {

constexpr std::string_view kAliyunSuffix = ".aliyuncs.com";
constexpr std::size_t kMaxHostBytes = 253;  // RFC 1035, without the root's dot
constexpr std::size_t kMaxLabelBytes = 63;

bool is_region_text(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || is_ascii_digit(c) || c == '-';
  });
}

// What follows the last dot.
std::string_view last_label(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == name.npos ? name : name.substr(dot + 1);
}

// Endpoint names that differ from the region's id: Alibaba Cloud, "Regions and endpoints", finance
// and dual-stack parts.
std::string resolve_alias(std::string_view region) {
  constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
      {"cn-hzjbp", "cn-hangzhou-finance"},
      {"cn-hzjbp-a", "cn-hangzhou-finance"},
      {"cn-hzjbp-b", "cn-hangzhou-finance"},
      {"cn-hzfinance", "cn-hangzhou-finance"},
      {"cn-szfinance", "cn-shenzhen-finance-1"},
      {"cn-shanghai-finance-1-pub", "cn-shanghai-finance-1"},
      {"cn-beijing-finance-1-pub", "cn-beijing-finance-1"},
  };
  for (const auto& [alias, id] : kAliases) {
    if (region == alias) return std::string(id);
  }
  return std::string(region);
}

std::string resolve_dual_stack_alias(std::string_view label) {
  if (label == "cn-shanghai-finance" || label == "cn-shenzhen-finance") {
    return std::string(label) + "-1";
  }
  return resolve_alias(label);
}

Status check_host_name(std::string_view host) {
  if (host.empty()) return invalid_argument("the endpoint has no host");
  if (host.size() > kMaxHostBytes) return invalid_argument("the endpoint's host is too long");
  for (const char c : host) {
    if (static_cast<unsigned char>(c) >= 0x80) {
      return invalid_argument("the endpoint's host " + in_quotes(host) +
                              " is not ASCII: write an international name in its xn-- form");
    }
    if (!(c >= 'a' && c <= 'z') && !is_ascii_digit(c) && c != '-' && c != '_' && c != '.') {
      return invalid_argument("the endpoint's host " + in_quotes(host) +
                              " has a character that no host has");
    }
  }
  for (std::string_view rest = host;;) {
    const std::size_t dot = rest.find('.');
    const std::string_view label = rest.substr(0, dot);
    if (label.empty() || label.size() > kMaxLabelBytes) {
      return invalid_argument(
          "the endpoint's host " + in_quotes(host) +
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
    if (end == text.npos) return invalid_argument("the endpoint's IPv6 address lacks its ]");
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
      return invalid_argument("the endpoint's port " + in_quotes(*port) +
                              " is not a number from 1 to 65535");
    }
    endpoint->port = static_cast<std::uint16_t>(*number);
  }
  endpoint->host = to_ascii_lower(host);
  if (endpoint->is_ipv6) {
    in6_addr address;
    if (inet_pton(AF_INET6, endpoint->host.c_str(), &address) != 1 ||
        host.find('\0') != host.npos) {
      return invalid_argument("the endpoint's " + in_quotes(host) + " is not an IPv6 address");
    }
    return Status::ok();
  }
  Status status = check_host_name(endpoint->host);
  if (!status.is_ok()) return status;
  // A name whose last label is a number is an IPv4 address to every resolver, some odd spellings
  // included.
  const std::string_view last = last_label(endpoint->host);
  if (std::all_of(last.begin(), last.end(), is_ascii_digit)) {
    in_addr address;
    if (inet_pton(AF_INET, endpoint->host.c_str(), &address) != 1) {
      return invalid_argument("the endpoint's host " + in_quotes(host) +
                              " is not an IPv4 address of four numbers");
    }
    endpoint->is_ip = true;
  }
  return Status::ok();
}

// Could the first label of LABEL.oss.aliyuncs.com be a region's id (cn-..., ap-...), not a bucket?
bool looks_like_region(std::string_view label) { return label.size() > 3 && label[2] == '-'; }

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
  constexpr std::string_view kExample = "https://oss-cn-hangzhou.aliyuncs.com";
  // First, since no other message may then repeat a password.
  if (text.find('@') != text.npos) {
    return invalid_argument(
        "the endpoint holds user information (text before an @): leave it out, credentials come "
        "from cred_provider or cred_path");
  }
  if (text.empty())
    return invalid_argument("the endpoint is empty; an example: " + std::string(kExample));
  if (std::any_of(text.begin(), text.end(),
                  [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F; })) {
    return invalid_argument("the endpoint " + in_quotes(text) +
                            " holds a blank or a control character");
  }
  Endpoint endpoint;
  std::string_view rest = text;
  if (const std::size_t mark = text.find("://"); mark != text.npos) {
    const std::string scheme = to_ascii_lower(text.substr(0, mark));
    if (scheme != "http" && scheme != "https") {
      return invalid_argument("the endpoint's scheme is " + in_quotes(scheme) +
                              ": use http:// or https://, as in " + std::string(kExample));
    }
    endpoint.scheme = scheme == "http" ? Scheme::kHttp : Scheme::kHttps;
    rest.remove_prefix(mark + 3);
  }
  if (rest.find_first_of("?#") != rest.npos) {
    return invalid_argument("the endpoint holds a query (text from ? or # on): leave it out");
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (const std::size_t slash = rest.find_first_of("/\\"); slash != rest.npos) {
    return invalid_argument("the endpoint holds the path " + in_quotes(rest.substr(slash)) +
                            ": leave it out, bucket and key are named by oss://bucket/key");
  }
  Status status = parse_authority(rest, &endpoint);
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

std::optional<std::string> region_from_host(std::string_view host_text) {
  const std::string host = to_ascii_lower(host_text);
  std::string_view name = host;
  if (!name.ends_with(kAliyunSuffix)) return std::nullopt;
  name.remove_suffix(kAliyunSuffix.size());
  const std::string_view label = last_label(name);
  if (label == "oss") {
    if (name == label) return std::nullopt;
    name.remove_suffix(label.size() + 1);
    const std::string_view region = last_label(name);
    if (!is_region_text(region)) return std::nullopt;
    return resolve_dual_stack_alias(region);
  }
  constexpr std::string_view kPrefix = "oss-";
  constexpr std::string_view kInternal = "-internal";
  if (!label.starts_with(kPrefix)) return std::nullopt;
  std::string_view region = label.substr(kPrefix.size());
  // Global or shared services that only look like regions.
  for (const std::string_view other :
       {"accelerate", "accelerate-overseas", "cloudbox", "cloudbox-control", "internal"}) {
    if (region == other) return std::nullopt;
  }
  if (region.ends_with(kInternal)) region.remove_suffix(kInternal.size());
  if (!is_region_text(region)) return std::nullopt;
  return resolve_alias(region);
}

Result<std::string> normalize_region(std::string_view region) {
  std::string_view id = region;
  if (id.starts_with("oss-")) id.remove_prefix(4);
  if (!is_region_text(id)) {
    return invalid_argument("not a region: " + in_quotes(region) + "; an example: cn-hangzhou");
  }
  return std::string(id);
}

std::optional<std::string> cloud_box_from_host(std::string_view host_text) {
  const std::string host = to_ascii_lower(host_text);
  const bool is_cloud_box = host.ends_with(".oss-cloudbox.aliyuncs.com") ||
                            host.ends_with(".oss-cloudbox-control.aliyuncs.com");
  // Five labels: cb-ID, region, oss-cloudbox, aliyuncs, com.
  if (!is_cloud_box || !host.starts_with("cb-") || std::count(host.begin(), host.end(), '.') != 4) {
    return std::nullopt;
  }
  std::string id = host.substr(0, host.find('.'));
  if (!is_region_text(id)) return std::nullopt;
  return id;
}

Status check_endpoint_for_bucket(const Endpoint& endpoint, Addressing addressing,
                                 std::string_view bucket) {
  const std::string_view host = endpoint.host;
  if (addressing != Addressing::kVirtual || endpoint.is_ip || bucket.empty() ||
      host.size() <= bucket.size() + 1 || !host.starts_with(bucket) || host[bucket.size()] != '.') {
    return Status::ok();
  }
  Endpoint without = endpoint;
  without.host = host.substr(bucket.size() + 1);
  if (endpoint.is_aliyun()) {
    // A bucket may be called as the endpoint's own first label is (oss-cn-hangzhou, cn-hangzhou,
    // cb-1): the host begins with the bucket by intent only if what follows is an endpoint too.
    const bool is_endpoint = without.host == "oss.aliyuncs.com" ? !looks_like_region(bucket)
                             : without.host.starts_with("oss-accelerate") && without.is_aliyun()
                                 ? true
                                 : region_from_host(without.host).has_value() ||
                                       cloud_box_from_host(without.host).has_value();
    if (!is_endpoint) return Status::ok();
  }
  return invalid_argument(
      "the endpoint's host " + in_quotes(host) + " begins with the bucket " + in_quotes(bucket) +
      ": give the endpoint without it (" + printable(without.text(), 300) +
      "), or set \"addressing\" to \"cname\" if this host is bound to the bucket");
}

}  // namespace ossmc
