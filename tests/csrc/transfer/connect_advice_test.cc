#include "transfer/connect_advice.h"

#include <gtest/gtest.h>

#include <string>

namespace ossmc {
namespace {

std::string https_advice(std::string_view text) {
  return std::string(connect_advice({.is_https = true, .text = text}));
}

TEST(ConnectAdvice, PlainHttpWhereTlsWasMeant) {
  for (const char* text : {
           "OpenSSL/3.0.2: error:0A00010B:SSL routines::wrong version number",
           "TLS connect error: error:0A0000C6:SSL routines::packet length too long",
           "TLS connect error: error:0A000126:SSL routines::record layer failure",
           "gnutls_handshake() failed: An unexpected TLS packet was received.",
           "OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to 127.0.0.1:80",
           "SSL connection timeout",
       }) {
    EXPECT_NE(https_advice(text).find("write http://"), std::string::npos) << text;
  }
}

TEST(ConnectAdvice, TlsWherePlainHttpWasMeant) {
  for (const char* text : {"Received HTTP/0.9 when not allowed", "Empty reply from server",
                           "Recv failure: Connection reset by peer"}) {
    EXPECT_NE(connect_advice({.text = text}).find("write https://"), std::string::npos) << text;
    EXPECT_EQ(connect_advice({.is_proxied = true, .text = text}), "");
  }
  // It has spoken HTTP.
  EXPECT_EQ(connect_advice({.is_fresh = false, .text = "Empty reply from server"}), "");
  EXPECT_EQ(connect_advice({.any_reply_byte = true, .text = "Recv failure: x"}), "");
}

TEST(ConnectAdvice, SaysWhichAuthoritiesAreTrustedOrWhereNoneWere) {
  EXPECT_EQ(connect_advice({.is_https = true,
                            .text = "SSL certificate problem: self-signed certificate",
                            .roots = "trusted are the authorities in /a"}),
            "; trusted are the authorities in /a; to trust a private authority, name its "
            "certificates with tls.caFile");
}

TEST(ConnectAdvice, Certificates) {
  EXPECT_NE(https_advice("SSL certificate problem: unable to get local issuer certificate")
                .find("tls.caFile"),
            std::string::npos);
  EXPECT_NE(https_advice("SSL certificate problem: self-signed certificate").find("tls.caFile"),
            std::string::npos);
  for (const char* text : {"SSL certificate problem: certificate has expired",
                           "SSL certificate problem: certificate is not yet valid"}) {
    EXPECT_NE(https_advice(text).find("clock"), std::string::npos) << text;
  }
  EXPECT_NE(https_advice("SSL: no alternative certificate subject name matches target host name")
                .find("other names"),
            std::string::npos);
}

TEST(ConnectAdvice, HostsThatAreNotReached) {
  EXPECT_NE(https_advice("Could not resolve host: x").find("spelling"), std::string::npos);
  for (const char* text : {"Failed to connect to 127.0.0.1 port 1 after 0 ms",
                           "Connection timed out after 2001 milliseconds"}) {
    EXPECT_NE(connect_advice({.text = text}).find("host and port"), std::string::npos) << text;
    EXPECT_NE(connect_advice({.is_proxied = true, .text = text}).find("no_proxy"),
              std::string::npos)
        << text;
    EXPECT_EQ(connect_advice({.text = text}).find("write http"), std::string::npos) << text;
  }
}

TEST(ConnectAdvice, ProxiesThatRefuse) {
  const auto advice = [](std::string_view text) {
    return connect_advice({.is_https = true, .is_proxied = true, .text = text});
  };
  EXPECT_NE(advice("CONNECT tunnel failed, response 403").find("no_proxy"), std::string::npos);
  for (const char* text :
       {"CONNECT tunnel failed, response 407", "Received HTTP code 407 from proxy after CONNECT"}) {
    EXPECT_NE(advice(text).find("NAME:PASSWORD"), std::string::npos) << text;
  }
}

TEST(ConnectAdvice, NothingToSay) { EXPECT_EQ(https_advice("Failure when receiving data"), ""); }

}  // namespace
}  // namespace ossmc
