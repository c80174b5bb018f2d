// IoPool where the system refuses descriptors.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "csrc/transfer/few_descriptors.h"
#include "csrc/transfer/io_pool_fixture.h"
#include "support/csrc/wire_server.h"
#include "transfer/io_pool.h"

namespace ossmc {
namespace {

// Asks again while a shortage may pass.
class PatientExchange final : public Exchange {
 public:
  PatientExchange(QueueSource& source, std::string url) : source_(source) {
    request_.url = std::move(url);
  }
  const HttpRequest& request() noexcept override { return request_; }
  bool on_head(const ResponseHead&) noexcept override { return true; }
  bool on_body(const std::byte*, std::size_t size) noexcept override {
    bytes_ += size;
    return true;
  }
  void on_done(const ExchangeOutcome& outcome) noexcept override {
    if (is_shortage(outcome.error) && outcome.may_pass) {
      ++bounces_;
      source_.push(*this);
      return;
    }
    const std::lock_guard lock(mutex_);
    outcome_ = outcome;
  }
  bool cancelled() const noexcept override { return false; }

  bool done() const {
    const std::lock_guard lock(mutex_);
    return outcome_.has_value();
  }
  ExchangeOutcome outcome() const {
    const std::lock_guard lock(mutex_);
    return outcome_.value_or(ExchangeOutcome{});
  }
  std::atomic<std::size_t> bytes_{0};
  std::atomic<int> bounces_{0};

 private:
  QueueSource& source_;
  HttpRequest request_;
  mutable std::mutex mutex_;
  std::optional<ExchangeOutcome> outcome_;
};

class IoPoolDescriptors : public IoPoolTest {
 protected:
  static bool all_done(const std::vector<std::unique_ptr<PatientExchange>>& exchanges) {
    return eventually([&] {
      return std::all_of(exchanges.begin(), exchanges.end(),
                         [](const auto& e) { return e->done(); });
    });
  }

  WireServer server_{
      [](WireConnection& peer, const WireRequest&) { peer.send(http_reply(200, "hello")); }};
};

// Each that was refused a socket was a failed attempt, and a few of them were the end of the read.
TEST_F(IoPoolDescriptors, FewerConnectionsCarryAllThatIsAskedFor) {
  for (const int most : {3, 1}) {
    SCOPED_TRACE(most);
    options_.threads = 2;
    pool_ = nullptr;
    start();
    const FewDescriptors few(most);
    std::vector<std::unique_ptr<PatientExchange>> exchanges;
    for (int i = 0; i < 40; ++i) {
      exchanges.push_back(std::make_unique<PatientExchange>(source_, server_.url("/")));
      source_.push(*exchanges.back());
    }
    pool_->wake();
    ASSERT_TRUE(all_done(exchanges));
    for (const auto& one : exchanges) {
      EXPECT_EQ(one->outcome().error, TransportError::kNone) << one->outcome().text;
      EXPECT_EQ(one->bytes_, 5u);
    }
    EXPECT_LE(load(counters_.connections), static_cast<std::uint64_t>(most));
  }
}

TEST_F(IoPoolDescriptors, WithoutEvenOneTheErrorNamesTheLimit) {
  options_.threads = 2;
  start();
  PatientExchange none(source_, server_.url("/"));
  {
    const FewDescriptors few(0);
    source_.push(none);
    pool_->wake();
    ASSERT_TRUE(eventually([&] { return none.done(); }));
  }
  EXPECT_EQ(none.outcome().error, TransportError::kNoDescriptor);
  EXPECT_NE(none.outcome().text.find("Too many open files: the process may have"),
            std::string::npos)
      << none.outcome().text;
  EXPECT_EQ(server_.connections(), 0);

  PatientExchange next(source_, server_.url("/"));
  source_.push(next);
  pool_->wake();
  ASSERT_TRUE(eventually([&] { return next.done(); }));
  EXPECT_EQ(next.outcome().error, TransportError::kNone) << next.outcome().text;
}

// As those of a connector that has read, while another one, or a listing, has none.
TEST_F(IoPoolDescriptors, AConnectionThatLiesIdleIsGivenUpForWhoHasNone) {
  WireServer other_server(
      [](WireConnection& peer, const WireRequest&) { peer.send(http_reply(200, "other")); });
  Counters counters;
  QueueSource source;
  IoPool other(options_, source, system_clock(), counters);
  ASSERT_TRUE(other.start().is_ok());
  start();
  auto few = std::make_optional<FewDescriptors>(1);
  RecordedExchange first(server_.url("/first"));
  EXPECT_EQ(run(first).error, TransportError::kNone);
  EXPECT_EQ(load(counters_.connections), 1u);
  PatientExchange second(source, other_server.url("/second"));
  source.push(second);
  other.wake();
  ASSERT_TRUE(eventually([&] { return second.done(); }));
  EXPECT_EQ(second.outcome().error, TransportError::kNone) << second.outcome().text;
  EXPECT_EQ(load(counters_.connections), 0u);
  few.reset();
  RecordedExchange third(server_.url("/third"));
  EXPECT_EQ(run(third).error, TransportError::kNone) << "and its thread works on";
}

// A name that is not resolved for want of a descriptor is as good as any.
TEST_F(IoPoolDescriptors, ANameThatCouldNotBeLookedUpIsNotOneThatIsUnknown) {
  start();
  const FewDescriptors few(0);
  RecordedExchange exchange("http://no-such-host.invalid/");
  const ExchangeOutcome outcome = run(exchange);
  EXPECT_EQ(outcome.error, TransportError::kNoDescriptor) << outcome.text;
  EXPECT_TRUE(outcome.may_pass);
}

TEST_F(IoPoolDescriptors, WithFewDescriptorsFewerThreadsStart) {
  options_.threads = 4;
  const FewDescriptors few(20);
  start();
  PatientExchange exchange(source_, server_.url("/"));
  source_.push(exchange);
  pool_->wake();
  ASSERT_TRUE(eventually([&] { return exchange.done(); }));
  EXPECT_EQ(exchange.outcome().error, TransportError::kNone) << exchange.outcome().text;
  pool_->stop();
}

TEST_F(IoPoolDescriptors, ThePoolThatCannotStartNamesTheLimitAndStartsLater) {
  IoPool pool(options_, source_, system_clock(), counters_);
  {
    const FewDescriptors few(1);
    const Status status = pool.start();
    EXPECT_EQ(status.code(), StatusCode::kConnect);
    EXPECT_NE(status.message().find("(ulimit -n)"), std::string::npos) << status.message();
  }
  EXPECT_TRUE(pool.start().is_ok());
}

}  // namespace
}  // namespace ossmc
