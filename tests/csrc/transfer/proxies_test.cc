#include "transfer/proxies.h"

#include <gtest/gtest.h>

#include "csrc/transfer/scoped_environment.h"

namespace ossmc {
namespace {

class ProxiesTest : public ::testing::Test {
 protected:
  void set(const char* name, const char* value) { variables_.set(name, value); }
  static Proxies environment() { return find_proxies(true, "").value(); }

  ScopedEnvironment variables_{"http_proxy",  "HTTP_PROXY", "https_proxy",
                               "HTTPS_PROXY", "all_proxy",  "ALL_PROXY",
                               "no_proxy",    "NO_PROXY",   "REQUEST_METHOD"};
};

TEST_F(ProxiesTest, NoneWhenNothingSaysSo) {
  EXPECT_EQ(environment().for_url("http://a/"), "");
  set("http_proxy", "http://proxy:1");
  set("no_proxy", "b");
  const Proxies never = find_proxies(false, "").value();
  EXPECT_EQ(never.for_url("http://a/"), "");
  EXPECT_EQ(never.for_url("https://a/"), "");
}

TEST_F(ProxiesTest, OfTheEnvironmentByScheme) {
  set("http_proxy", "http://one:1");
  set("HTTPS_PROXY", "http://two:2");
  set("NO_PROXY", ".local");
  const Proxies found = environment();
  EXPECT_EQ(found.for_url("http://a/"), "http://one:1");
  EXPECT_EQ(found.for_url("https://a/"), "http://two:2");
  EXPECT_EQ(found.no_proxy, ".local");
}

TEST_F(ProxiesTest, SmallLettersWinAndAllProxyFillsIn) {
  set("https_proxy", "http://small:1");
  set("HTTPS_PROXY", "http://large:1");
  set("ALL_PROXY", "socks5h://all:1");
  const Proxies found = environment();
  EXPECT_EQ(found.https, "http://small:1");
  EXPECT_EQ(found.http, "socks5h://all:1");
}

TEST_F(ProxiesTest, CapitalHttpProxyIsNotBelievedUnderCgi) {
  set("HTTP_PROXY", "http://one:1");
  EXPECT_EQ(environment().http, "http://one:1");
  set("REQUEST_METHOD", "GET");
  EXPECT_EQ(environment().http, "");
}

TEST_F(ProxiesTest, TheOptionHoldsForAllUrlsWhateverTheEnvironment) {
  set("https_proxy", "http://other:1");
  set("no_proxy", "*");
  const Proxies found = find_proxies(false, "http://user:pw@proxy:3128").value();
  EXPECT_EQ(found.http, "http://user:pw@proxy:3128");
  EXPECT_EQ(found.https, found.http);
  EXPECT_EQ(found.no_proxy, "");
}

TEST_F(ProxiesTest, RefusesWhatIsNoUrlWithoutRepeatingIt) {
  const Status status = find_proxies(false, "http://user:secret@proxy:port/").status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message().find("secret"), std::string::npos);
}

TEST_F(ProxiesTest, AProxyOfTheEnvironmentThatIsNoUrlIsToldOnceAndNotTriedAgainAndAgain) {
  for (const char* text : {"http://u:secret@[bad", "http://u:secret@h:99999", "u:secret@h h"}) {
    set("https_proxy", text);
    const Status status = find_proxies(true, "").status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(status.message().find("secret"), std::string::npos);
    EXPECT_NE(status.message().find("https_proxy"), std::string::npos);
  }
}

TEST(WithoutUserinfo, TakesOutUserAndPassword) {
  EXPECT_EQ(without_userinfo("plain words"), "plain words");
  EXPECT_EQ(without_userinfo("cannot reach http://u:pw@host:1/x"),
            "cannot reach http://***@host:1/x");
  EXPECT_EQ(without_userinfo("bad proxy 'u:pw@host': x"), "bad proxy '***@host': x");
  EXPECT_EQ(without_userinfo("u:pw@host"), "***@host");
  EXPECT_EQ(without_userinfo("bad proxy 'http://u:p'w @ @host'"), "bad proxy '***@host'");
}

}  // namespace
}  // namespace ossmc
