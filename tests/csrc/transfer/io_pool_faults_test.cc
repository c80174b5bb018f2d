// IoPool against servers that lie, break off or stand still, and exchanges that give up.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "csrc/transfer/io_pool_fixture.h"
#include "support/csrc/wire_server.h"
#include "transfer/curl_handle.h"
#include "transfer/io_pool.h"

namespace {
// Threads that resolve slow.invalid: for a minute, or until it is let go. libcurl 8.20 and later
// has one for each family of addresses.
std::atomic<int> resolving{0};
std::atomic<bool> let_go{false};
}  // namespace

// Seen by libcurl instead of the C library's: a name that takes long to resolve.
// glibc's own names are reserved ones.
// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
extern "C" __attribute__((visibility("default"))) int getaddrinfo(const char* node,
                                                                  const char* service,
                                                                  const addrinfo* hints,
                                                                  addrinfo** found) {
  using Function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const auto kReal = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  if (node != nullptr && std::strcmp(node, "slow.invalid") == 0) {
    ++resolving;
    for (int i = 0; i < 6000 && !let_go.load(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    --resolving;
    return EAI_NONAME;
  }
  return kReal(node, service, hints, found);
}

namespace ossmc {
namespace {

using IoPoolFaults = IoPoolTest;

// Older libcurl waits for the name, and all of the thread with it (docs/semantics.md, Close).
bool can_give_up_names() { return curl_version_info(CURLVERSION_NOW)->version_num >= 0x075700; }

std::string large_head_and(std::size_t bytes) {
  return http_head("200 OK", {"Content-Length: 100000000"}) + std::string(bytes, 'x');
}

void stand_still(WireConnection& peer, const WireRequest& request) {
  if (request.target == "/half") peer.send(large_head_and(100'000));
  peer.wait_for_peer_to_close();
  peer.close();
}

TEST_F(IoPoolFaults, RefusedConnection) {
  int port = 0;
  {
    WireServer gone([](WireConnection&, const WireRequest&) {});
    port = gone.port();
  }
  RecordedExchange exchange("http://127.0.0.1:" + std::to_string(port) + "/");
  const ExchangeOutcome outcome = run(exchange);
  EXPECT_EQ(outcome.error, TransportError::kConnect);
  EXPECT_EQ(outcome.os_errno, ECONNREFUSED);
  EXPECT_NE(outcome.text, "");
  EXPECT_FALSE(outcome.any_reply_byte);
  EXPECT_FALSE(outcome.reused_connection);
  EXPECT_EQ(exchange.calls(), "rd");
  EXPECT_EQ(load(counters_.connections), 0u);
}

TEST_F(IoPoolFaults, UnknownName) {
  RecordedExchange exchange("http://name.invalid/");
  const ExchangeOutcome outcome = run(exchange);
  EXPECT_EQ(outcome.error, TransportError::kDns) << outcome.text;
  EXPECT_NE(outcome.text.find("name.invalid"), std::string::npos) << outcome.text;
  EXPECT_EQ(outcome.remote, "");
}

TEST_F(IoPoolFaults, OtherProtocolsAreRefused) {
  for (const char* url : {"file:///etc/passwd", "ftp://127.0.0.1/x", "nonsense://x", "http://"}) {
    RecordedExchange exchange(url);
    EXPECT_EQ(run(exchange).error, TransportError::kOther) << url;
    EXPECT_EQ(exchange.calls(), "rd");
  }
}

TEST_F(IoPoolFaults, LineEndsInARequestAreRefused) {
  WireServer server(
      [](WireConnection& peer, const WireRequest&) { peer.send(http_reply(200, "")); });
  RecordedExchange in_value(server.url("/"));
  in_value.request_.headers = {{"A", "b\r\nInjected: 1"}};
  EXPECT_EQ(run(in_value).error, TransportError::kOther);
  RecordedExchange in_url(server.url("/a\r\nInjected: 1"));
  EXPECT_EQ(run(in_url).error, TransportError::kOther);
  RecordedExchange null_byte(server.url(std::string("/a\0b", 4)));
  EXPECT_EQ(run(null_byte).error, TransportError::kOther);
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(IoPoolFaults, HeadAborted) {
  WireServer server([](WireConnection& peer, const WireRequest& request) {
    if (request.target == "/abort") return stand_still(peer, {0, 0, "", "/half", ""});
    peer.send(http_reply(200, "hello"));
  });
  RecordedExchange exchange(server.url("/abort"));
  exchange.accept_head_ = false;
  const ExchangeOutcome outcome = run(exchange);
  EXPECT_EQ(outcome.error, TransportError::kAborted);
  EXPECT_TRUE(outcome.any_reply_byte);
  EXPECT_EQ(exchange.calls(), "rhd");
  EXPECT_TRUE(server.wait_until([&] { return server.open_connections() == 0; }, kHang));
  // The next one is not mixed up with what was left of it.
  RecordedExchange next(server.url("/next"));
  EXPECT_FALSE(run(next).reused_connection);
  EXPECT_EQ(next.body(), "hello");
}

TEST_F(IoPoolFaults, BodyAborted) {
  WireServer server(stand_still);
  RecordedExchange exchange(server.url("/half"));
  exchange.accept_body_ = 50'000;
  EXPECT_EQ(run(exchange).error, TransportError::kAborted);
  EXPECT_EQ(exchange.calls(), "rhbd");
  EXPECT_TRUE(server.wait_until([&] { return server.open_connections() == 0; }, kHang));
  EXPECT_EQ(load(counters_.connections), 0u);
}

TEST_F(IoPoolFaults, BrokenReplies) {
  struct Case {
    const char* name;
    std::string bytes;
    bool reset;
    const char* calls;
  };
  const std::string chunked = http_head("200 OK", {"Transfer-Encoding: chunked"});
  const Case cases[] = {
      {"closed before any byte", "", false, "rd"},
      {"reset before any byte", "", true, "rd"},
      {"closed within the status line", "HTTP/1.1 20", false, "rd"},
      {"closed within the head", "HTTP/1.1 200 OK\r\nETag: x\r\n", false, "rd"},
      {"reset within the head", "HTTP/1.1 200 OK\r\nETag: x\r\n", true, "rd"},
      {"only an interim reply", http_head("100 Continue"), false, "rd"},
      {"short body", large_head_and(1000), false, "rhbd"},
      {"reset in the body", large_head_and(1000), true, "rhbd"},
      {"chunked, no last chunk", chunked + "5\r\nhello\r\n", false, "rhbd"},
      {"chunked, cut", chunked + "ff\r\nhello", false, "rhbd"},
      {"chunked, no number", chunked + "xyz\r\nhello\r\n", false, "rhd"},
      {"status not a number", "HTTP/1.1 abc OK\r\n\r\n", false, "rd"},
  };
  for (const Case& one : cases) {
    std::atomic<RecordedExchange*> reading{nullptr};
    WireServer server([&](WireConnection& peer, const WireRequest& request) {
      peer.send(one.bytes);
      // A reset throws away what the peer has not read: let it read the body.
      if (one.reset && one.calls == std::string_view("rhbd")) {
        EXPECT_TRUE(reading.load()->wait_for_body(1000));
      }
      one.reset ? peer.reset() : peer.close();
      EXPECT_EQ(request.number, 0);
    });
    RecordedExchange exchange(server.url("/"));
    reading.store(&exchange);
    const ExchangeOutcome outcome = run(exchange);
    if (std::string_view(one.name) == "status not a number") {
      EXPECT_NE(outcome.error, TransportError::kNone);  // libcurl takes it for HTTP/0.9
      continue;
    }
    EXPECT_EQ(outcome.error, TransportError::kReset) << one.name << ": " << outcome.text;
    EXPECT_EQ(exchange.calls(), one.calls) << one.name;
    EXPECT_FALSE(outcome.reused_connection) << one.name;
    EXPECT_EQ(server.connections(), 1) << one.name;
  }
  // libcurl takes a head that an orderly end cuts for a whole reply: we know better, but the dead
  // connection stays in its pool until it looks there the next time.
  EXPECT_LE(load(counters_.connections), 1u);
}

TEST_F(IoPoolFaults, BytesBeyondTheBodyReachNobody) {
  WireServer server([](WireConnection& peer, const WireRequest& request) {
    std::string reply = http_reply(200, "hello");
    if (request.connection == 0) reply += http_reply(200, "poison");
    peer.send(reply);
  });
  RecordedExchange first(server.url("/"));
  EXPECT_EQ(run(first).error, TransportError::kNone);
  EXPECT_EQ(first.body(), "hello");
  RecordedExchange second(server.url("/"));
  EXPECT_EQ(run(second).error, TransportError::kNone);
  EXPECT_EQ(second.body(), "hello");
}

// libcurl sends it again by itself, on a fresh connection: the server may just have dropped the
// idle one.
TEST_F(IoPoolFaults, ReusedConnectionThatEndsBeforeAnyByteIsReplacedOnce) {
  for (const bool with_reset : {false, true}) {
    WireServer server([with_reset](WireConnection& peer, const WireRequest& request) {
      if (request.connection == 0 && request.number == 1) {
        with_reset ? peer.reset() : peer.close();
      } else {
        peer.send(http_reply(200, "hello"));
      }
    });
    RecordedExchange first(server.url("/1"));
    EXPECT_EQ(run(first).error, TransportError::kNone);
    RecordedExchange second(server.url("/2"));
    const ExchangeOutcome outcome = run(second);
    EXPECT_EQ(outcome.error, TransportError::kNone) << outcome.text;
    EXPECT_FALSE(outcome.reused_connection);
    EXPECT_EQ(second.calls(), "rhbd");
    EXPECT_EQ(server.requests().size(), 3u);
  }
}

TEST_F(IoPoolFaults, ReusedConnectionThatBreaksInTheBody) {
  WireServer server([](WireConnection& peer, const WireRequest& request) {
    if (request.number == 0) {
      peer.send(http_reply(200, "hello"));
    } else {
      peer.send(large_head_and(1000));
      peer.close();
    }
  });
  RecordedExchange first(server.url("/1"));
  run(first);
  RecordedExchange second(server.url("/2"));
  const ExchangeOutcome outcome = run(second);
  EXPECT_EQ(outcome.error, TransportError::kReset);
  EXPECT_EQ(outcome.os_errno, 0);  // it was closed in order
  EXPECT_TRUE(outcome.reused_connection);
  EXPECT_TRUE(outcome.any_reply_byte);
}

TEST_F(IoPoolFaults, HugeHeadsAreCutOff) {
  WireServer server([](WireConnection& peer, const WireRequest& request) {
    const bool many = request.target == "/many";
    const std::string line = many ? "A: b\r\n" : "A: " + std::string(4000, 'x') + "\r\n";
    peer.send("HTTP/1.1 200 OK\r\n");
    while (peer.send(line)) {
    }
    peer.close();
  });
  for (const char* path : {"/many", "/large"}) {
    RecordedExchange exchange(server.url(path));
    const ExchangeOutcome outcome = run(exchange);
    EXPECT_EQ(outcome.error, TransportError::kReset) << outcome.text;
    EXPECT_EQ(exchange.calls(), "rd");
  }
}

TEST_F(IoPoolFaults, StalledExchangesAreAborted) {
  options_.stall_timeout = 200ms;
  WireServer server([](WireConnection& peer, const WireRequest& request) {
    if (request.target != "/trickle") return stand_still(peer, request);
    peer.send(large_head_and(0));
    while (peer.send("x") && peer.wait(10ms)) {
    }
    peer.close();
  });
  for (const char* path : {"/silent", "/half", "/trickle"}) {
    ASSERT_TRUE(once([&] {
      RecordedExchange exchange(server.url(path));
      const TimePoint begin = system_clock().now();
      const ExchangeOutcome outcome = run(exchange);
      EXPECT_EQ(outcome.error, TransportError::kStalled) << path;
      EXPECT_GE(outcome.elapsed, 200ms);
      EXPECT_EQ(outcome.any_reply_byte, std::string_view(path) != "/silent");
      return system_clock().now() - begin < 2s;
    })) << path;
  }
  EXPECT_TRUE(server.wait_until([&] { return server.open_connections() == 0; }, kHang));
}

// A page of a listing, which a store may be long in making.
TEST_F(IoPoolFaults, WhatMayBeSlowIsWaitedForBeforeItsHeadAndInItsBody) {
  options_.stall_timeout = 100ms;
  WireServer server([](WireConnection& peer, const WireRequest&) {
    peer.wait(300ms);
    peer.send(http_head("200 OK", {"Content-Length: 2"}) + "a");
    peer.wait(300ms);
    peer.send("b");
  });
  RecordedExchange exchange(server.url("/"));
  exchange.may_be_slow_ = true;
  EXPECT_EQ(run(exchange).error, TransportError::kNone);
  EXPECT_EQ(exchange.body(), "ab");
}

TEST_F(IoPoolFaults, ASteadyExchangeIsNotTakenForStalled) {
  options_.stall_timeout = 200ms;
  WireServer server([](WireConnection& peer, const WireRequest&) {
    peer.send(http_head("200 OK", {"Content-Length: 100000"}));
    for (int i = 0; i < 50; ++i) {
      peer.send(std::string(2000, 'x'));
      peer.wait(10ms);
    }
  });
  EXPECT_TRUE(once([&] {
    RecordedExchange exchange(server.url("/"));
    // A server that gets no processor for 200 ms does stall.
    if (run(exchange).error == TransportError::kStalled) return false;
    EXPECT_EQ(exchange.wait().error, TransportError::kNone);
    EXPECT_EQ(exchange.body().size(), 100'000u);
    return true;
  }));
}

TEST_F(IoPoolFaults, CancelBeforeTheReply) {
  WireServer server(stand_still);
  RecordedExchange exchange(server.url("/silent"));
  start();
  submit(exchange);
  ASSERT_TRUE(server.wait_until([&] { return server.requests().size() == 1; }, kHang));
  exchange.cancelled_ = true;
  pool_->wake();
  EXPECT_EQ(exchange.wait().error, TransportError::kCancelled);
  EXPECT_EQ(exchange.calls(), "rd");
  EXPECT_TRUE(server.wait_until([&] { return server.open_connections() == 0; }, kHang));
  EXPECT_EQ(load(counters_.connections), 0u);
}

TEST_F(IoPoolFaults, CancelInTheBodyLeavesTheOthersAlone) {
  std::atomic<bool> is_over{false};
  WireServer server([&](WireConnection& peer, const WireRequest& request) {
    if (request.target == "/half") return stand_still(peer, request);
    EXPECT_TRUE(eventually([&] { return is_over.load(); }));
    peer.send(http_reply(200, "hello"));
  });
  start();
  EXPECT_TRUE(once([&] {
    is_over.store(false);
    RecordedExchange exchange(server.url("/half"));
    RecordedExchange other(server.url("/other"));
    submit(exchange);
    submit(other);
    EXPECT_TRUE(exchange.wait_for_body(100'000));
    exchange.cancelled_ = true;
    pool_->wake();
    const ExchangeOutcome outcome = exchange.wait();
    is_over.store(true);
    EXPECT_EQ(outcome.error, TransportError::kCancelled);
    EXPECT_EQ(exchange.calls(), "rhbd");
    EXPECT_EQ(other.wait().error, TransportError::kNone);
    return outcome.elapsed < 2s;
  }));
}

TEST_F(IoPoolFaults, CancelledBeforeItStarts) {
  WireServer server(stand_still);
  RecordedExchange exchange(server.url("/silent"));
  exchange.cancelled_ = true;
  source_.push(exchange);  // and no wake
  start();
  EXPECT_EQ(exchange.wait().error, TransportError::kCancelled);
  EXPECT_EQ(exchange.calls(), "rd");
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(IoPoolFaults, CancelWhileTheNameIsResolved) {
  if (!can_give_up_names()) GTEST_SKIP() << "libcurl before 7.87";
  start();
  EXPECT_TRUE(once([&] {
    let_go.store(false);
    RecordedExchange exchange("http://slow.invalid/");
    submit(exchange);
    EXPECT_TRUE(eventually([] { return resolving.load() > 0; }));
    exchange.cancelled_ = true;
    pool_->wake();
    const ExchangeOutcome outcome = exchange.wait();
    EXPECT_EQ(outcome.error, TransportError::kCancelled);
    EXPECT_GT(resolving.load(), 0) << "it did not wait for that";
    let_go.store(true);
    EXPECT_TRUE(eventually([] { return resolving.load() == 0; }));
    return outcome.elapsed < 1s;
  }));
}

TEST_F(IoPoolFaults, StopWithWorkInFlight) {
  options_.threads = 2;
  source_.limit_ = 6;
  WireServer server(stand_still);
  std::size_t requests = 0;
  EXPECT_TRUE(once([&] {
    std::vector<std::unique_ptr<RecordedExchange>> all;
    for (int i = 0; i < 10; ++i) {
      const char* path = i % 2 == 0 ? "/silent" : "/half";
      all.push_back(std::make_unique<RecordedExchange>(server.url(path)));
    }
    start();
    for (const auto& one : all) submit(*one);
    requests += 10;
    EXPECT_TRUE(server.wait_until([&] { return server.requests().size() == requests; }, kHang));
    const TimePoint begin = system_clock().now();
    pool_->stop();
    const Duration taken = system_clock().now() - begin;
    for (const auto& one : all) {
      EXPECT_TRUE(one->done());
      EXPECT_EQ(one->wait().error, TransportError::kCancelled);
      EXPECT_EQ(one->calls().back(), 'd');
    }
    EXPECT_EQ(load(counters_.connections), 0u);
    EXPECT_TRUE(server.wait_until([&] { return server.open_connections() == 0; }, kHang));
    return taken < 1s;
  }));
}

TEST_F(IoPoolFaults, StopWhileANameIsResolved) {
  if (!can_give_up_names()) GTEST_SKIP() << "libcurl before 7.87";
  EXPECT_TRUE(once([&] {
    let_go.store(false);
    RecordedExchange exchange("http://slow.invalid/");
    start();
    submit(exchange);
    EXPECT_TRUE(eventually([] { return resolving.load() > 0; }));
    const TimePoint begin = system_clock().now();
    pool_->stop();
    const Duration taken = system_clock().now() - begin;
    EXPECT_GT(resolving.load(), 0) << "it did not wait for that";
    EXPECT_EQ(exchange.wait().error, TransportError::kCancelled);
    let_go.store(true);
    EXPECT_TRUE(eventually([] { return resolving.load() == 0; }));
    return taken < 1s;
  }));
}

TEST_F(IoPoolFaults, AForkedChildLeaksThePool) {
  WireServer server(
      [](WireConnection& peer, const WireRequest&) { peer.send(http_reply(200, "hello")); });
  RecordedExchange exchange(server.url("/"));
  run(exchange);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    pool_->stop();
    pool_.reset();
    ::_exit(7);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
  RecordedExchange after(server.url("/"));
  const ExchangeOutcome outcome = run(after);
  EXPECT_EQ(outcome.error, TransportError::kNone);
  EXPECT_TRUE(outcome.reused_connection);
}

}  // namespace
}  // namespace ossmc
