#include "transfer/connect_advice.h"

#include <algorithm>
#include <initializer_list>

namespace ossmc {
namespace {

bool has_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return text.find(word) != text.npos; });
}

// What came was no TLS.
bool is_no_tls(std::string_view text) {
  return has_any(text, {"wrong version number", "packet length too long", "record layer failure",
                        "unknown protocol", "http request", "unexpected TLS packet"});
}

// Nothing came, or not enough: a server that cannot make anything of a greeting hangs up or waits.
bool is_handshake_cut(std::string_view text) {
  return has_any(text, {"SSL_connect:", "unexpected eof", "SSL connection timeout",
                        "non-properly terminated"});
}

bool is_name_mismatch(std::string_view text) {
  return has_any(text, {"subject name", "does not match target host", "hostname mismatch"});
}

std::string tls_advice(const FailedConnection& failed) {
  if (is_name_mismatch(failed.text)) {
    return "; the certificate is for other names: give the endpoint by one of them";
  }
  if (has_any(failed.text, {"certificate has expired", "not yet valid"})) {
    return "; by this machine's clock it is too late or too early for it: check the clock "
           "(date -u), else the server needs another certificate";
  }
  if (has_any(failed.text, {"certificate"})) {
    const std::string roots = failed.roots.empty() ? "" : "; " + std::string(failed.roots);
    return roots + "; to trust a private authority, name its certificates with tls.caFile";
  }
  if (failed.is_proxied) return {};
  if (is_no_tls(failed.text)) {
    return "; this port does not speak TLS: if it is to be plain HTTP, write http:// in the "
           "endpoint";
  }
  if (is_handshake_cut(failed.text)) {
    return "; if this port speaks plain HTTP, write http:// in the endpoint";
  }
  return {};
}

// The name was not found, or nobody took the connection: which of the two libcurl's words tell.
std::string reach_advice(const FailedConnection& failed) {
  if (has_any(failed.text, {"resolve proxy"})) return "; check the name of the proxy";
  if (has_any(failed.text, {"CONNECT tunnel failed, response 407", "HTTP code 407 from proxy"}))
    return "; the proxy wants a name and a password: put NAME:PASSWORD@ before its host in "
           "https_proxy or \"proxy\"";
  if (has_any(failed.text, {"CONNECT tunnel failed", "from proxy after CONNECT"}))
    return "; the proxy opens no tunnel to this host: have it allowed there, or name the host in "
           "no_proxy";
  if (has_any(failed.text, {"resolve host"}))
    return "; check the endpoint's spelling and the name servers: ossmc doctor";
  if (!has_any(failed.text, {"Failed to connect", "onnection timed out", "onnection timeout"}))
    return {};
  if (failed.is_proxied)
    return "; where that is the proxy (http_proxy, https_proxy or \"proxy\"), check it, or name "
           "the host in no_proxy";
  return "; check host and port of the endpoint, and firewalls: ossmc doctor. An -internal "
         "endpoint is reached from machines of its region alone";
}

std::string plain_advice(const FailedConnection& failed) {
  if (failed.is_proxied) return {};
  if (has_any(failed.text, {"HTTP/0.9"})) {
    return "; the reply is no HTTP: if this port speaks TLS, write https:// in the endpoint";
  }
  const bool is_cut = has_any(failed.text, {"Empty reply", "Recv failure"});
  if (is_cut && failed.is_fresh && !failed.any_reply_byte) {
    return "; if this port speaks TLS, write https:// in the endpoint";
  }
  return {};
}

}  // namespace

std::string connect_advice(const FailedConnection& failed) {
  const std::string advice = failed.is_https ? tls_advice(failed) : plain_advice(failed);
  return advice.empty() ? reach_advice(failed) : advice;
}

}  // namespace ossmc
