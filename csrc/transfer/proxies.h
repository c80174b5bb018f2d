// Proxies: which proxy a request goes through.
//
// Found once, when the pool starts, since libcurl would call getenv() for each request while
// another thread (os.environ in Python) may change the environment.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace ossmc {

// As libcurl takes them: empty means none. They may hold a password: never to be printed.
struct Proxies {
  std::string http;      // for http:// URLs
  std::string https;     // for https:// URLs
  std::string no_proxy;  // hosts that are reached directly

  const std::string& for_url(std::string_view url) const;
};

// From the environment: http_proxy, https_proxy, all_proxy, no_proxy, each also in capitals.
// HTTP_PROXY is not believed under CGI, where a client can set it (REQUEST_METHOD is set then).
// Otherwise `proxy`, which may be empty, for all URLs.
// Reads the environment: not while another thread changes it.
// kInvalidArgument: `proxy`, or one in the environment, is no URL. (libcurl would say so at each
// attempt.)
Result<Proxies> find_proxies(bool from_environment, const std::string& proxy);

// `text` with whatever stands before an '@' taken out, so that no user:password@ of a URL is left.
std::string without_userinfo(std::string_view text);

}  // namespace ossmc
