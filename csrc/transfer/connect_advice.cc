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
  return failed.is_https ? tls_advice(failed) : plain_advice(failed);
}

}  // namespace ossmc
