// What to change where a connection fails because of what the endpoint or the options say.
#pragma once

#include <string>
#include <string_view>

namespace ossmc {

// The attempt that failed: libcurl's words for why, and what had come of it by then.
struct FailedConnection {
  bool is_https = false;
  bool is_proxied = false;      // so that what was met may be the proxy
  bool is_fresh = true;         // it served no request before
  bool any_reply_byte = false;  // of HTTP
  std::string_view text;
  std::string_view roots = {};  // TlsRoots::told
};

// To be put behind libcurl's words; empty: they say it all. It knows what OpenSSL, GnuTLS and
// libcurl say of TLS at a port that speaks plain HTTP, of the other way round, of certificates, of
// hosts that are not reached and of proxies that refuse.
std::string connect_advice(const FailedConnection& failed);

}  // namespace ossmc
