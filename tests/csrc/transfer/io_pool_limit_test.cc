// IoPool under a limit of bytes a second: what is held back goes on, whole, and is not taken for
// stalled.
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>

#include "csrc/transfer/io_pool_fixture.h"
#include "support/csrc/fake_clock.h"
#include "support/csrc/pattern.h"
#include "support/csrc/wire_server.h"
#include "transfer/rate_limit.h"

namespace ossmc {
namespace {

// The limit's own clock stands still until the test moves it: nothing is received but what it gave.
class IoPoolLimitTest : public IoPoolTest {
 protected:
  static constexpr std::uint64_t kPerSecond = 10'000'000;
  static constexpr std::size_t kSize = 200'000;

  IoPoolLimitTest() { options_.rate_limit = &limit_; }
  ~IoPoolLimitTest() override { pool_.reset(); }

  RecordedExchange& get(const char* path, bool is_awaited = false) {
    RecordedExchange& exchange = exchanges_.emplace_back(server_.url(path));
    exchange.reader_ = &exchange;
    exchange.is_awaited_ = is_awaited;
    if (!pool_) start();
    submit(exchange);
    return exchange;
  }
  // Lets time go on until it has ended.
  ExchangeOutcome finish(RecordedExchange& exchange) {
    EXPECT_TRUE(eventually([&] {
      limit_clock_.advance(1ms);
      return exchange.done();
    }));
    return exchange.wait();
  }
  static std::string expected(const char* path) { return pattern_string(path[1], 0, kSize); }

  FakeClock limit_clock_;
  RateLimit limit_{kPerSecond, limit_clock_};
  WireServer server_{[](WireConnection& peer, const WireRequest& request) {
    if (request.target == "/silent") {
      peer.send(http_head("200 OK", {"Content-Length: " + std::to_string(kSize)}) + "x");
      peer.wait_for_peer_to_close();
      return;
    }
    peer.send(http_reply(200, pattern_string(request.target[1], 0, kSize)));
  }};
  std::deque<RecordedExchange> exchanges_;
};

TEST_F(IoPoolLimitTest, WhatIsHeldBackComesWholeInTheEnd) {
  for (const char* path : {"/a", "/b", "/c"}) get(path);
  ASSERT_TRUE(eventually([&] {
    return std::all_of(exchanges_.begin(), exchanges_.end(),
                       [](RecordedExchange& one) { return one.is_held_back_.load(); });
  }));
  for (RecordedExchange& one : exchanges_) EXPECT_EQ(one.body().size(), 0U);
  for (RecordedExchange& one : exchanges_) {
    const ExchangeOutcome outcome = finish(one);
    EXPECT_EQ(outcome.error, TransportError::kNone) << outcome.text;
    EXPECT_GT(outcome.held_back, Duration::zero());
    EXPECT_LE(outcome.held_back, outcome.elapsed);
    EXPECT_EQ(one.calls(), "rhbd");
  }
  EXPECT_EQ(exchanges_[0].body(), expected("/a"));
  EXPECT_EQ(exchanges_[1].body(), expected("/b"));
  EXPECT_EQ(exchanges_[2].body(), expected("/c"));
}

// Never more than the time gave, and a piece of each that is paid for later.
TEST_F(IoPoolLimitTest, NoMoreComesThanTheTimeGives) {
  for (const char* path : {"/a", "/b", "/c", "/d"}) get(path);
  for (int ms = 1; ms <= 40; ++ms) {
    limit_clock_.advance(1ms);
    std::this_thread::sleep_for(1ms);
    std::size_t received = 0;
    for (RecordedExchange& one : exchanges_) received += one.body().size();
    EXPECT_LE(received, kPerSecond / 1000 * static_cast<std::size_t>(ms) +
                            4 * (limit_.portion_bytes() + (16u << 10)));
  }
  for (RecordedExchange& one : exchanges_) EXPECT_EQ(finish(one).error, TransportError::kNone);
}

TEST_F(IoPoolLimitTest, AnExchangeThatIsHeldBackForLongerThanTheStallLimitIsNotAborted) {
  options_.stall_timeout = 100ms;
  RecordedExchange& held = get("/a");
  ASSERT_TRUE(eventually([&] { return held.is_held_back_.load(); }));
  std::this_thread::sleep_for(400ms);
  EXPECT_FALSE(held.done());
  // A little now and then is less than any other exchange may have, too.
  for (int i = 0; i < 8; ++i) {
    limit_clock_.advance(1ms);
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_FALSE(held.done());
  EXPECT_EQ(finish(held).error, TransportError::kNone);
  EXPECT_EQ(held.body(), expected("/a"));
}

TEST_F(IoPoolLimitTest, AServerThatStandsStillIsFoundOutUnderALimitToo) {
  options_.stall_timeout = 100ms;
  RecordedExchange& silent = get("/silent");
  const ExchangeOutcome outcome = finish(silent);
  EXPECT_EQ(outcome.error, TransportError::kStalled);
}

TEST_F(IoPoolLimitTest, OneThatIsHeldBackCanBeCancelledAndLeavesItsTurnToOthers) {
  RecordedExchange& cancelled = get("/a", true);
  ASSERT_TRUE(eventually([&] { return cancelled.is_held_back_.load(); }));
  RecordedExchange& other = get("/b");
  cancelled.cancelled_ = true;
  pool_->wake();
  EXPECT_EQ(cancelled.wait().error, TransportError::kCancelled);
  EXPECT_EQ(finish(other).error, TransportError::kNone);
  EXPECT_EQ(other.body(), expected("/b"));
}

TEST_F(IoPoolLimitTest, ThePoolStopsWhileSomeAreHeldBack) {
  RecordedExchange& held = get("/a");
  ASSERT_TRUE(eventually([&] { return held.is_held_back_.load(); }));
  pool_->stop();
  EXPECT_EQ(held.wait().error, TransportError::kCancelled);
}

// As a page of a listing, or a HEAD.
TEST_F(IoPoolLimitTest, WhatIsOfNoReaderIsNotHeldBack) {
  RecordedExchange& held = get("/a");
  ASSERT_TRUE(eventually([&] { return held.is_held_back_.load(); }));
  RecordedExchange free(server_.url("/b"));
  submit(free);
  EXPECT_EQ(free.wait().error, TransportError::kNone);
  EXPECT_EQ(free.body(), expected("/b"));
  EXPECT_EQ(free.times_held_back_.load(), 0);
}

TEST_F(IoPoolLimitTest, AFailureOfTheReceiverEndsAnExchangeThatGoesOn) {
  RecordedExchange& refused = exchanges_.emplace_back(server_.url("/a"));
  refused.reader_ = &refused;
  refused.accept_body_ = 0;
  start();
  submit(refused);
  EXPECT_EQ(finish(refused).error, TransportError::kAborted);
}

TEST_F(IoPoolLimitTest, TheSourceIsToldHowManyAreHeldBack) {
  for (const char* path : {"/a", "/b", "/c"}) get(path);
  ASSERT_TRUE(eventually([&] {
    pool_->wake();
    return source_.most_held_back_.load() == 3;
  }));
}

}  // namespace
}  // namespace ossmc
