// IoPool against a real server: what a healthy exchange looks like, and who decides what runs when.
// Faults are in io_pool_faults_test.cc, TLS in io_pool_tls_test.cc.
#include "transfer/io_pool.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iterator>
#include <thread>

#include "base/fork_gate.h"
#include "csrc/transfer/io_pool_fixture.h"
#include "csrc/transfer/scoped_environment.h"
#include "support/csrc/wire_server.h"

namespace ossmc {
namespace {

void reply_hello(WireConnection& peer, const WireRequest&) { peer.send(http_reply(200, "hello")); }

TEST_F(IoPoolTest, DeliversHeadAndBody) {
  WireServer server([](WireConnection& peer, const WireRequest&) {
    peer.send(http_reply(206, "hello", {"ETag: \"tag\"", "Content-Range: bytes 5-9/20"}));
  });
  RecordedExchange exchange(server.url("/bucket/key"));
  exchange.request_.headers = {{"Range", "bytes=5-9"}, {"x-oss-empty", ""}};
  const ExchangeOutcome outcome = run(exchange);

  EXPECT_EQ(outcome.error, TransportError::kNone) << outcome.text;
  EXPECT_EQ(outcome.text, "");
  EXPECT_TRUE(outcome.any_reply_byte);
  EXPECT_FALSE(outcome.reused_connection);
  EXPECT_GT(outcome.elapsed, Duration::zero());
  EXPECT_GT(outcome.first_byte, Duration::zero());
  EXPECT_EQ(outcome.remote, "127.0.0.1:" + std::to_string(server.port()));
  EXPECT_EQ(exchange.calls(), "rhbd");
  EXPECT_EQ(exchange.head().status, 206);
  EXPECT_EQ(exchange.head().etag, "tag");
  EXPECT_EQ(exchange.head().content_length, 5u);
  EXPECT_EQ(exchange.body(), "hello");
  EXPECT_EQ(load(counters_.requests), 1u);
  EXPECT_EQ(load(counters_.bytes_received), 5u);
  EXPECT_EQ(load(counters_.connections), 1u);

  const WireRequest request = server.requests().at(0);
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.header("Range"), "bytes=5-9");
  EXPECT_NE(request.text.find("x-oss-empty:\r\n"), std::string::npos) << request.text;
  EXPECT_EQ(request.header("User-Agent"), "ossmc-test");
  EXPECT_EQ(request.header("Host"), "127.0.0.1:" + std::to_string(server.port()));
  for (const char* unwanted : {"Expect", "Accept-Encoding", "Cookie", "Authorization", "TE"}) {
    EXPECT_EQ(request.header(unwanted), "") << unwanted;
  }
}

// The soak met it: one child in 2,000 waited for ever for a lock of OpenSSL's that an I/O thread of
// its parent had held.
TEST_F(IoPoolTest, AForkWaitsForAThreadAtWorkAndKeepsItOut) {
  WireServer server(reply_hello);
  options_.threads = 1;
  start();
  std::atomic<bool> at_work{false};
  std::atomic<bool> go_on{false};
  RecordedExchange first(server.url("/1"));
  first.on_start_ = [&] {
    at_work.store(true);
    while (!go_on.load()) std::this_thread::yield();
  };
  submit(first);
  ASSERT_TRUE(eventually([&] { return at_work.load(); }));
  EXPECT_FALSE(fork_gate().close(1ms));
  fork_gate().open();
  go_on.store(true);
  EXPECT_EQ(first.wait().error, TransportError::kNone);

  // It sleeps: nothing to wait for. What wakes it meanwhile does not let it in.
  EXPECT_TRUE(fork_gate().close(10s));
  const int asked = source_.asked_.load();
  RecordedExchange second(server.url("/2"));
  submit(second);
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(source_.asked_.load(), asked);
  fork_gate().open();
  EXPECT_EQ(second.wait().error, TransportError::kNone);
}

// The replies are there when the thread looks, in another order than they are to be served in. (A
// pause leaves libcurl timers of the connects that are due, and whom it serves then by itself.)
TEST_F(IoPoolTest, ServesWhoIsAwaitedFirstAndThenWhoBeganFirst) {
  options_.threads = 1;
  EXPECT_TRUE(once([&] {
    std::atomic<int> asked{0};
    std::atomic<int> replied{0};
    std::atomic<bool> is_busy{false};
    WireServer server([&](WireConnection& peer, const WireRequest& request) {
      // The order of replies: younger, older, awaited.
      const int place = request.target == "/younger" ? 0 : request.target == "/older" ? 1 : 2;
      const bool is_first = request.target == "/first";
      if (!is_first) ++asked;
      EXPECT_TRUE(eventually([&] {
        return is_first ? asked.load() == 3 : is_busy.load() && replied.load() == place;
      }));
      peer.send(http_reply(200, "hello"));
      if (!is_first) ++replied;
    });
    start();
    std::string ends;  // of the I/O thread until all have ended
    RecordedExchange first(server.url("/first"));
    RecordedExchange older(server.url("/older"));
    RecordedExchange younger(server.url("/younger"));
    RecordedExchange awaited(server.url("/awaited"));
    older.is_awaited_ = false;
    younger.is_awaited_ = false;
    first.on_end_ = [&] {
      is_busy.store(true);
      EXPECT_TRUE(eventually([&] { return replied.load() == 3; }));
    };
    older.on_end_ = [&] { ends += 'o'; };
    younger.on_end_ = [&] { ends += 'y'; };
    awaited.on_end_ = [&] { ends += 'a'; };
    for (RecordedExchange* one : {&first, &older, &younger, &awaited}) submit(*one);
    for (RecordedExchange* one : {&first, &older, &younger, &awaited}) {
      EXPECT_EQ(one->wait().error, TransportError::kNone);
    }
    pool_->stop();
    return ends == "aoy";
  }));
}

// Requests on one I/O thread that stands still until the heads of the others are there.
class BehindTest : public IoPoolTest {
 protected:
  static constexpr int kOthers = 6;

  BehindTest() {
    options_.threads = 1;
    start();
  }
  ~BehindTest() override { pool_ = nullptr; }

  void go() {
    first_.on_end_ = [this] {
      is_busy_.store(true);
      EXPECT_TRUE(eventually([this] { return replied_.load() == kOthers; }));
      source_.keep_back_while_behind(late_);
    };
    submit(first_);
    for (int i = 0; i < kOthers; ++i) {
      RecordedExchange& one = others_.emplace_back(server_.url("/" + std::to_string(i)));
      one.is_awaited_ = false;
      one.on_head_ = [this] {  // with the first of them the source is asked
        if (!is_woken_.exchange(true)) pool_->wake();
      };
      submit(one);
    }
  }

  void serve(WireConnection& peer, const WireRequest& request) {
    if (request.target == "/late") {
      is_late_asked_.store(true);
      peer.send(http_reply(200, "hello"));
    } else if (request.target == "/first") {
      EXPECT_TRUE(eventually([this] { return asked_.load() == kOthers; }));
      // Until no timer of the connects is left; in pieces, of which a pause takes one.
      for (int i = 0; i < 30; ++i) std::this_thread::sleep_for(10ms);
      peer.send(http_reply(200, "hello"));
    } else {
      ++asked_;
      EXPECT_TRUE(eventually([this] { return is_busy_.load(); }));
      peer.send(http_head("200 OK", {"Content-Length: 5"}));
      ++replied_;
      EXPECT_TRUE(eventually([this] { return is_late_asked_.load(); }));
      peer.send("hello");
    }
  }

  std::atomic<int> asked_{0};
  std::atomic<int> replied_{0};
  std::atomic<bool> is_busy_{false};
  std::atomic<bool> is_woken_{false};
  std::atomic<bool> is_late_asked_{false};
  WireServer server_{
      [this](WireConnection& peer, const WireRequest& request) { serve(peer, request); }};
  RecordedExchange first_{server_.url("/first")};
  RecordedExchange late_{server_.url("/late")};
  std::deque<RecordedExchange> others_;
};

// What the source kept back is asked for once the thread has caught up, without a wake or an end.
TEST_F(BehindTest, TheSourceHearsOfItAndIsAskedAgainWhenItIsOver) {
  go();
  EXPECT_EQ(late_.wait().error, TransportError::kNone);
  for (RecordedExchange& one : others_) EXPECT_EQ(one.wait().error, TransportError::kNone);
  EXPECT_TRUE(source_.was_behind_.load());
}

// Nothing was left that could have ended or arrived, and the thread slept with work waiting.
TEST_F(BehindTest, AllThatWasLeftBehindIsCancelledAndTheThreadSlept) {
  source_.set_on_behind([this] {
    for (RecordedExchange& one : others_) one.cancelled_.store(true);
    pool_->wake();
  });
  go();
  EXPECT_EQ(late_.wait().error, TransportError::kNone);
  for (RecordedExchange& one : others_) EXPECT_EQ(one.wait().error, TransportError::kCancelled);
}

// A thread that began took 16 chunks' memory before it had seen a byte; and a store that answers
// late is asked for all the same.
TEST_F(IoPoolTest, AThreadThatBeginsAsksForAFewAndSoonForTheRest) {
  constexpr int kAll = 7;
  std::atomic<int> asked{0};
  WireServer server([&](WireConnection& peer, const WireRequest&) {
    ++asked;
    EXPECT_TRUE(eventually([&] { return asked.load() == kAll; }));
    peer.send(http_reply(200, "hello"));
  });
  options_.threads = 1;
  source_.heeds_ramp_.store(true);
  std::deque<RecordedExchange> exchanges;
  for (int i = 0; i < kAll; ++i)
    source_.push(exchanges.emplace_back(server.url("/" + std::to_string(i))));
  start();
  for (RecordedExchange& one : exchanges) EXPECT_EQ(one.wait().error, TransportError::kNone);
  EXPECT_EQ(source_.least_ramp_.load(), 4);
}

TEST_F(IoPoolTest, HeadHasAHeadAndNoBody) {
  WireServer server([](WireConnection& peer, const WireRequest&) {
    peer.send(http_head("200 OK", {"Content-Length: 1000"}));
  });
  for (int i = 0; i < 2; ++i) {
    RecordedExchange exchange(server.url("/k"), Method::kHead);
    EXPECT_EQ(run(exchange).error, TransportError::kNone);
    EXPECT_EQ(exchange.calls(), "rhd");
    EXPECT_EQ(exchange.head().content_length, 1000u);
  }
  EXPECT_EQ(server.requests().at(0).method, "HEAD");
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(IoPoolTest, GetAfterHeadOnTheSameHandle) {
  WireServer server([](WireConnection& peer, const WireRequest& request) {
    peer.send(request.method == "HEAD" ? http_head("200 OK", {"Content-Length: 5"})
                                       : http_reply(200, "hello"));
  });
  for (const Method method : {Method::kHead, Method::kGet, Method::kHead, Method::kGet}) {
    RecordedExchange exchange(server.url("/k"), method);
    EXPECT_EQ(run(exchange).error, TransportError::kNone);
    EXPECT_EQ(exchange.body(), method == Method::kGet ? "hello" : "");
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(IoPoolTest, EmptyBodyStillHasAHead) {
  WireServer server([](WireConnection& peer, const WireRequest& request) {
    peer.send(request.target == "/204" ? http_head("204 No Content") : http_reply(200, ""));
  });
  for (const char* path : {"/200", "/204"}) {
    RecordedExchange exchange(server.url(path));
    EXPECT_EQ(run(exchange).error, TransportError::kNone);
    EXPECT_EQ(exchange.calls(), "rhd");
  }
}

TEST_F(IoPoolTest, ErrorRepliesAreRepliesAndRedirectsAreNotFollowed) {
  WireServer server([](WireConnection& peer, const WireRequest& request) {
    peer.send(request.target == "/moved"
                  ? http_reply(302, "", {"Location: http://127.0.0.1:1/other"})
                  : http_reply(503, "<Error/>"));
  });
  RecordedExchange moved(server.url("/moved"));
  EXPECT_EQ(run(moved).error, TransportError::kNone);
  EXPECT_EQ(moved.head().status, 302);
  EXPECT_EQ(moved.head().location, "http://127.0.0.1:1/other");
  RecordedExchange busy(server.url("/busy"));
  EXPECT_EQ(run(busy).error, TransportError::kNone);
  EXPECT_EQ(busy.head().status, 503);
  EXPECT_EQ(busy.body(), "<Error/>");
}

TEST_F(IoPoolTest, ReusesConnections) {
  WireServer server(reply_hello);
  for (int i = 0; i < 5; ++i) {
    RecordedExchange exchange(server.url("/" + std::to_string(i)));
    EXPECT_EQ(run(exchange).reused_connection, i > 0);
  }
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(load(counters_.connections), 1u);
  EXPECT_EQ(load(counters_.requests), 5u);
  pool_.reset();
  EXPECT_EQ(load(counters_.connections), 0u);
}

// This process's end of a connection to `port`; -1: there is none.
int socket_to(int port) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
    if (peer.sin_family == AF_INET && ntohs(peer.sin_port) == port) return fd;
  }
  return -1;
}

// The kernel took a connection that was used again for a conversation and held acknowledgements
// back; a server with little in flight stood still for 40 ms. The kernel ends that by itself once
// it has held one back for so long: it must have ended before. A thread that gets no processor may
// be late a few times.
TEST_F(IoPoolTest, ADownloadOverAReusedConnectionDoesNotWaitForDelayedAcknowledgements) {
  std::atomic<int> port{0};
  std::atomic<bool> quick{false};
  const auto is_quick = [&] {
    int value = 0;
    socklen_t size = sizeof value;
    ::getsockopt(socket_to(port.load()), IPPROTO_TCP, TCP_QUICKACK, &value, &size);
    return value == 1;
  };
  WireServer server([&](WireConnection& peer, const WireRequest&) {
    const std::string reply = http_reply(200, "hello");
    peer.send(reply.substr(0, reply.size() - 1));
    const auto late = std::chrono::steady_clock::now() + 10ms;
    quick.store(false);
    while (!quick.load() && std::chrono::steady_clock::now() < late) {
      std::this_thread::sleep_for(100us);
      quick.store(is_quick());
    }
    peer.send("o");
  });
  port.store(server.port());
  RecordedExchange first(server.url("/key"));
  EXPECT_FALSE(run(first).reused_connection);
  bool once = false;
  for (int i = 0; i < 100 && !once; ++i) {
    RecordedExchange exchange(server.url("/key"));
    EXPECT_TRUE(run(exchange).reused_connection);
    EXPECT_EQ(exchange.body(), "hello");
    once = quick.load();
  }
  EXPECT_TRUE(once);
}

TEST_F(IoPoolTest, RunsManyExchangesInOrderOverFewSlots) {
  constexpr int kCount = 200;
  constexpr int kSlots = 4;
  WireServer server([](WireConnection& peer, const WireRequest& request) {
    peer.send(http_reply(200, request.target));
  });
  source_.limit_ = kSlots;
  std::vector<std::unique_ptr<RecordedExchange>> all;
  std::vector<int> started;
  for (int i = 0; i < kCount; ++i) {
    all.push_back(std::make_unique<RecordedExchange>(server.url("/" + std::to_string(i))));
    all.back()->on_start_ = [&started, i] { started.push_back(i); };
    source_.push(*all.back());
  }
  start();
  for (int i = 0; i < kCount; ++i) {
    EXPECT_EQ(all[i]->wait().error, TransportError::kNone);
    EXPECT_EQ(all[i]->body(), "/" + std::to_string(i));
  }
  EXPECT_LE(server.connections(), kSlots);
  pool_.reset();
  EXPECT_EQ(started.size(), std::size_t{kCount});
  EXPECT_TRUE(std::is_sorted(started.begin(), started.end()));
}

TEST_F(IoPoolTest, SpreadsOverThreads) {
  constexpr int kSlots = 2;
  options_.threads = 3;
  source_.limit_ = kSlots;
  std::atomic<int> asked{0};
  // The first replies wait for as many requests as all threads together can have in flight.
  WireServer server([&](WireConnection& peer, const WireRequest&) {
    ++asked;
    EXPECT_TRUE(eventually([&] { return asked.load() >= kSlots * options_.threads; }));
    peer.send(http_reply(200, std::string(100'000, 'x')));
  });
  std::vector<std::unique_ptr<RecordedExchange>> all;
  for (int i = 0; i < 24; ++i) {
    all.push_back(std::make_unique<RecordedExchange>(server.url("/")));
    source_.push(*all.back());
  }
  start();
  for (const auto& one : all) EXPECT_EQ(one->wait().error, TransportError::kNone);
  EXPECT_EQ(server.connections(), kSlots * options_.threads);
  EXPECT_EQ(load(counters_.bytes_received), 2'400'000u);
}

TEST_F(IoPoolTest, KeepsThePathAsItIs) {
  WireServer server(reply_hello);
  for (const char* path : {"/a/./b/../c", "//", "/a//b/", "/%2e%2e/%2E/x", "/..",
                           "/k?versionId=a%2Fb&x", "/%E4%BD%A0"}) {
    RecordedExchange exchange(server.url(path));
    EXPECT_EQ(run(exchange).error, TransportError::kNone);
    EXPECT_EQ(server.requests().back().target, path);
  }
}

TEST_F(IoPoolTest, DoesNotDecodeBodies) {
  WireServer server([](WireConnection& peer, const WireRequest&) {
    peer.send(http_reply(200, "not gzip", {"Content-Encoding: gzip"}));
  });
  RecordedExchange exchange(server.url("/"));
  EXPECT_EQ(run(exchange).error, TransportError::kNone);
  EXPECT_EQ(exchange.body(), "not gzip");
  EXPECT_EQ(exchange.head().content_encoding, "gzip");
}

TEST_F(IoPoolTest, DeliversChunkedBodies) {
  WireServer server([](WireConnection& peer, const WireRequest&) {
    peer.send(http_head("200 OK", {"Transfer-Encoding: chunked"}));
    peer.send("5\r\nhello\r\n3;x=y\r\n to\r\n0\r\nX-Trailer: t\r\n\r\n");
  });
  for (int i = 0; i < 2; ++i) {
    RecordedExchange exchange(server.url("/"));
    EXPECT_EQ(run(exchange).error, TransportError::kNone);
    EXPECT_EQ(exchange.body(), "hello to");
    EXPECT_EQ(exchange.calls(), "rhbd");
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(IoPoolTest, DeliversBodiesThatTheEndOfTheConnectionEnds) {
  WireServer server([](WireConnection& peer, const WireRequest&) {
    peer.send(http_head("200 OK") + "to the end");
    peer.close();
  });
  RecordedExchange exchange(server.url("/"));
  EXPECT_EQ(run(exchange).error, TransportError::kNone);
  EXPECT_EQ(exchange.body(), "to the end");
}

TEST_F(IoPoolTest, SkipsInterimReplies) {
  WireServer server([](WireConnection& peer, const WireRequest&) {
    peer.send(http_head("100 Continue") + http_head("103 Early Hints", {"ETag: \"no\""}));
    peer.send(http_reply(200, "hello"));
  });
  RecordedExchange exchange(server.url("/"));
  EXPECT_EQ(run(exchange).error, TransportError::kNone);
  EXPECT_EQ(exchange.calls(), "rhbd");
  EXPECT_EQ(exchange.head().status, 200);
  EXPECT_EQ(exchange.head().etag, "");
}

TEST_F(IoPoolTest, AsksAgainWhenTheSourceIsDue) {
  WireServer server(reply_hello);
  start();
  RecordedExchange exchange(server.url("/"));
  const TimePoint due = system_clock().now() + 100ms;
  source_.push_at(exchange, due);
  pool_->wake();
  EXPECT_EQ(exchange.wait().error, TransportError::kNone);
  EXPECT_GE(system_clock().now(), due);
}

TEST_F(IoPoolTest, DoesNotSpinWhileADueSourceHasNothingToGive) {
  source_.limit_ = 0;
  RecordedExchange exchange("http://127.0.0.1:1/");
  source_.push_at(exchange, system_clock().now() - 1s);
  const TimePoint begin = system_clock().now();
  start();
  std::this_thread::sleep_for(100ms);
  const int asked = source_.asked_.load();
  // Once in 10 ms.
  EXPECT_LE(asked, (system_clock().now() - begin) / 10ms + 5);
  source_.limit_ = 1;
  EXPECT_EQ(exchange.wait().error, TransportError::kConnect);
}

TEST_F(IoPoolTest, NoWakeIsLost) {
  WireServer server(reply_hello);
  start();
  // Each round races the thread's way to sleep; a lost wake-up would hang until the test's limit.
  for (int i = 0; i < 300; ++i) {
    RecordedExchange exchange(server.url("/"));
    ASSERT_EQ(run(exchange).error, TransportError::kNone);
  }
}

TEST_F(IoPoolTest, WakesFromManyThreads) {
  WireServer server(reply_hello);
  start();
  std::vector<std::unique_ptr<RecordedExchange>> all(80);
  for (auto& one : all) one = std::make_unique<RecordedExchange>(server.url("/"));
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = t * 20; i < t * 20 + 20; ++i) submit(*all[i]);
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& one : all) EXPECT_EQ(one->wait().error, TransportError::kNone);
}

TEST_F(IoPoolTest, AsksTheSourceAgainRightAfterAnEnd) {
  WireServer server(reply_hello);
  RecordedExchange second(server.url("/2"));
  RecordedExchange first(server.url("/1"));
  first.on_end_ = [&] { source_.push(second); };  // no wake
  EXPECT_EQ(run(first).error, TransportError::kNone);
  EXPECT_EQ(second.wait().error, TransportError::kNone);
}

TEST_F(IoPoolTest, ThreadsAreNamedAndBlockSignals) {
  options_.thread_name = "a-long-thread-name";
  WireServer server(reply_hello);
  RecordedExchange exchange(server.url("/"));
  std::string name(16, '\0');
  sigset_t mask;
  exchange.on_end_ = [&] {
    pthread_getname_np(pthread_self(), name.data(), name.size());
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  };
  run(exchange);
  pool_.reset();
  EXPECT_STREQ(name.c_str(), "a-long-thread-0");
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE, SIGUSR1, SIGALRM, SIGCHLD}) {
    EXPECT_EQ(sigismember(&mask, signal), 1) << signal;
  }
  EXPECT_EQ(sigismember(&mask, SIGSEGV), 0);
}

TEST_F(IoPoolTest, SendsHttpThroughTheProxyExceptToHostsLeftOut) {
  WireServer proxy([](WireConnection& peer, const WireRequest&) {
    peer.send(http_reply(200, "from the proxy"));
  });
  WireServer server(reply_hello);
  options_.proxy_from_environment = true;
  const std::string address = "http://user:secret@127.0.0.1:" + std::to_string(proxy.port());
  ScopedEnvironment variables({"http_proxy", "no_proxy", "all_proxy", "NO_PROXY"});
  variables.set("http_proxy", address);
  variables.set("no_proxy", "127.0.0.1");
  start();

  RecordedExchange through("http://store.invalid/a/../b");
  EXPECT_EQ(run(through).error, TransportError::kNone);
  EXPECT_EQ(through.body(), "from the proxy");
  EXPECT_EQ(proxy.requests().at(0).target, "http://store.invalid/a/../b");
  EXPECT_EQ(proxy.requests().at(0).header("Proxy-Authorization"), "Basic dXNlcjpzZWNyZXQ=");
  RecordedExchange direct(server.url("/"));
  EXPECT_EQ(run(direct).error, TransportError::kNone);
  EXPECT_EQ(direct.body(), "hello");
  EXPECT_EQ(server.requests().at(0).header("Proxy-Authorization"), "");
}

TEST_F(IoPoolTest, StartRefusesWhatCannotWork) {
  options_.ca_file = "/no/such/file.pem";
  IoPool pool(options_, source_, system_clock(), counters_);
  const Status status = pool.start();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("/no/such/file.pem"), std::string::npos) << status.message();
  pool.wake();
  pool.stop();
}

TEST_F(IoPoolTest, AStoppedPoolHoldsNoDescriptors) {
  const auto descriptors = [] {
    const std::filesystem::directory_iterator begin("/proc/self/fd");
    return std::distance(begin, std::filesystem::directory_iterator());
  };
  options_.threads = 3;
  const auto before = descriptors();
  start();
  EXPECT_GT(descriptors(), before);
  pool_->stop();
  EXPECT_EQ(descriptors(), before);
  pool_->wake();  // and writes to nobody
}

TEST_F(IoPoolTest, StopTwiceAndWakeAfterStop) {
  start();
  pool_->stop();
  pool_->stop();
  pool_->wake();
}

}  // namespace
}  // namespace ossmc
