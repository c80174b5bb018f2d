#include "transfer/proxies.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace ossmc {
namespace {

const char* environment(const char* name) {
  return std::getenv(name);  // NOLINT(concurrency-mt-unsafe): find_proxies() says so
}

// The first that is set and not empty; null names are passed over.
std::string first_of(const char* name, const char* capitals) {
  for (const char* each : {name, capitals}) {
    const char* value = each == nullptr ? nullptr : environment(each);
    if (value != nullptr && *value != '\0') return value;
  }
  return {};
}

bool is_url(const std::string& text) {
  const std::unique_ptr<CURLU, void (*)(CURLU*)> url(curl_url(), curl_url_cleanup);
  constexpr unsigned kFlags = CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME;
  return url && curl_url_set(url.get(), CURLUPART_URL, text.c_str(), kFlags) == CURLUE_OK;
}

}  // namespace

const std::string& Proxies::for_url(std::string_view url) const {
  return url.starts_with("https:") ? https : http;
}

Result<Proxies> find_proxies(bool from_environment, const std::string& proxy) {
  if (!from_environment) {
    if (!proxy.empty() && !is_url(proxy)) {
      return Status(StatusCode::kInvalidArgument, "the proxy is not a URL");
    }
    return Proxies{proxy, proxy, {}};
  }
  const std::string all = first_of("all_proxy", "ALL_PROXY");
  const bool cgi = environment("REQUEST_METHOD") != nullptr;
  Proxies found;
  found.http = first_of("http_proxy", cgi ? nullptr : "HTTP_PROXY");
  found.https = first_of("https_proxy", "HTTPS_PROXY");
  if (found.http.empty()) found.http = all;
  if (found.https.empty()) found.https = all;
  for (const std::string& url : {found.http, found.https}) {
    if (url.empty() || is_url(url)) continue;
    return Status(
        StatusCode::kInvalidArgument,
        "the proxy in the environment (http_proxy, https_proxy or all_proxy) is no URL "
        "such as http://host:port; it is not shown, since it may hold a password. Correct "
        "it, or set \"proxy\" in the configuration, to \"\" for none");
  }
  found.no_proxy = first_of("no_proxy", "NO_PROXY");
  return found;
}

std::string without_userinfo(std::string_view text) {
  const auto at = text.rfind('@');
  if (at == std::string_view::npos) return std::string(text);
  // From the first thing that can open a URL to the last '@': a password may hold any character.
  const auto slashes = text.find("//");
  const auto quote = text.find_first_of("'\"");
  std::size_t from = std::min(slashes == std::string_view::npos ? at : slashes + 2,
                              quote == std::string_view::npos ? at : quote + 1);
  if (from >= at) from = 0;
  std::string result(text.substr(0, from));
  return result.append("***").append(text.substr(at));
}

}  // namespace ossmc
