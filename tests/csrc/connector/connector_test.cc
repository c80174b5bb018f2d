// Calls of a connector that meet, or end in the middle.
#include "connector/connector.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "base/fork_gate.h"
#include "support/csrc/wire_server.h"

namespace ossmc {
namespace {

constexpr auto kHang = std::chrono::seconds(60);

std::shared_ptr<Connector> connector_to(const std::string& endpoint) {
  Credentials credentials;
  credentials.access_key_id = "id";
  credentials.access_key_secret = "secret";
  Config config;
  config.prefetch_memory_bytes = 64 << 20;
  config.prefetch_vcpus = 2;
  return *Connector::make(endpoint, "cn-test", config,
                          CredentialsCache::make_fixed(system_clock(), std::move(credentials)));
}

// Its first call, in a thread of its own. No engine starts while the process forks, and as far as
// engines can tell, it does that until let_go().
class SlowStart {
 public:
  explicit SlowStart(const std::shared_ptr<Connector>& connector) {
    fork_gate().close();
    status_ = std::async(std::launch::async,
                         [connector] { return connector->open_many({}, no_interrupt()).status(); });
  }
  ~SlowStart() { static_cast<void>(let_go()); }
  SlowStart(const SlowStart&) = delete;
  SlowStart& operator=(const SlowStart&) = delete;

  bool is_over() const {
    return status_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  // What became of the call.
  Status let_go() {
    if (!status_.valid()) return Status::ok();
    fork_gate().open();
    return status_.get();
  }

 private:
  std::future<Status> status_;
};

// They took the mutex under which the engine starts, with Python's lock held: all of its threads
// stood still.
TEST(Connector, StatsAreToldWhileTheEngineStarts) {
  const std::shared_ptr<Connector> connector = connector_to("http://127.0.0.1:1");
  SlowStart start(connector);
  // Often, so that some are told when the start is under way.
  std::future<void> told = std::async(std::launch::async, [&] {
    for (int i = 0; i < 100'000; ++i) {
      ASSERT_EQ(connector->stats().requests, 0u);
      ASSERT_EQ(connector->chunk_latencies().whole_us.total(), 0u);
      ASSERT_FALSE(connector->is_closed());
    }
  });
  EXPECT_EQ(told.wait_for(kHang), std::future_status::ready);
  EXPECT_FALSE(start.is_over());
  EXPECT_TRUE(start.let_go().is_ok());
  told.get();
}

TEST(Connector, CloseDoesNotWaitForAnEngineThatStarts) {
  const std::shared_ptr<Connector> connector = connector_to("http://127.0.0.1:1");
  SlowStart start(connector);
  std::future<void> closed = std::async(std::launch::async, [&] { connector->close(); });
  EXPECT_EQ(closed.wait_for(kHang), std::future_status::ready);
  EXPECT_FALSE(start.is_over());
  EXPECT_EQ(start.let_go().code(), StatusCode::kClosed);
}

TEST(Connector, WhatCannotBeAVersionIdSendsNoRequest) {
  const std::shared_ptr<Connector> connector = connector_to("http://127.0.0.1:1");
  for (const std::string& id : {std::string("a\nb"), std::string(1001, 'v'), std::string("\xFF")}) {
    const Status opened =
        connector->open({.uri = "oss://bucket/1", .version_id = id}, no_interrupt()).status();
    EXPECT_EQ(opened.code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(connector->stat("oss://bucket/1", id, no_interrupt()).status().code(),
              StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(connector->stats().requests, 0u);
}

// A weak or an empty ETag is nothing that a request could ask for.
TEST(Connector, WithoutAnEtagToPinAListedObjectIsAskedAbout) {
  std::atomic<int> heads{0};
  WireServer server([&](WireConnection& peer, const WireRequest& request) {
    if (request.method == "HEAD") ++heads;
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"E\"\r\n\r\n");
  });
  const std::shared_ptr<Connector> connector = connector_to(server.url(""));
  const auto open = [&](const char* etag) {
    const auto reader = connector->open(
        {.uri = "oss://bucket/1", .listed = ListedVersion{5, etag}, .prefetches = false},
        no_interrupt());
    ASSERT_TRUE(reader.is_ok()) << reader.status().message();
    EXPECT_EQ((*reader)->size(), 5u);
  };
  for (const char* etag : {"", "W/\"E\"", "W/E", "E\r\nX-Evil: 1"}) open(etag);
  EXPECT_EQ(heads.load(), 4);
  open("E");
  EXPECT_EQ(heads.load(), 4);
}

class ThrowingInterrupt final : public Interrupt {
 public:
  bool pending() override { throw std::bad_alloc(); }
};

// Nobody closed them: they were fetched on, and their memory stayed taken.
TEST(Connector, ObjectsAreClosedWhenTheirOpenIsThrownOutOf) {
  WireServer silent([](WireConnection& peer, const WireRequest&) {
    peer.wait_for_peer_to_close();
    peer.close();
  });
  const std::shared_ptr<Connector> connector = connector_to(silent.url(""));
  ThrowingInterrupt interrupt;
  EXPECT_THROW(
      static_cast<void>(connector->open_many({{"oss://bucket/1"}, {"oss://bucket/2"}}, interrupt)),
      std::bad_alloc);
  EXPECT_TRUE(silent.wait_until(
      [&] { return connector->stats().memory_bytes == 0 && silent.open_connections() == 0; },
      kHang));
}

TEST(Connector, AFastListingTakesNoDelimiter) {
  const std::shared_ptr<Connector> connector = connector_to("http://127.0.0.1:1");
  const Status status = connector->start_list("bucket", "", true, "/").status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("delimiter"), std::string::npos);
}

// Its pages went on behind those whose rows were lost.
TEST(Connector, ListingThatWasThrownOutOfGivesNoMoreRows) {
  WireServer silent([](WireConnection& peer, const WireRequest&) { peer.wait(kHang); });
  const std::shared_ptr<Connector> connector = connector_to(silent.url(""));
  for (const bool fast : {false, true}) {
    const auto listing = connector->start_list("bucket", "", fast);
    ASSERT_TRUE(listing.is_ok()) << listing.status().message();
    ObjectColumns rows;
    ThrowingInterrupt interrupt;
    EXPECT_THROW(static_cast<void>((*listing)->next_rows(rows, interrupt)), std::bad_alloc);
    EXPECT_EQ((*listing)->next_rows(rows, no_interrupt()).status().code(), StatusCode::kInternal);
  }
}

}  // namespace
}  // namespace ossmc
