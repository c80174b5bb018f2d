// Connectors with defaults share the process's one budget: over sockets, with threads of their own.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "connector/connector.h"
#include "connector/memory_arbiter.h"
#include "memory/budget.h"
#include "support/csrc/pattern.h"
#include "support/csrc/wire_server.h"

namespace ossmc {
namespace {

// Before the budget is chosen: with so many processes beside this one it is as small as it gets,
// and does not move.
[[maybe_unused]] const int kManyProcesses = ::setenv("LOCAL_WORLD_SIZE", "1000000", 1);

class SharedMemory : public testing::Test {
 protected:
  static constexpr std::uint64_t kChunkBytes = 64 << 10;
  static constexpr std::uint64_t kLeftBytes = 128 * kChunkBytes;
  static constexpr std::uint64_t kObjectBytes = 192 * kChunkBytes;
  static constexpr std::uint64_t kSeed = 5;

  // Leaves kLeftBytes of the process's budget.
  void SetUp() override {
    shared_ = MemoryArbiter::of_process().budget();
    others_ = std::make_shared<Budget>(shared_, 0);
    rest_ = Ticket::try_take(others_, shared_->limit_bytes() - kLeftBytes);
    ASSERT_TRUE(rest_);
    others_->set_view_bytes(rest_.bytes());  // nobody can ask for it
  }
  std::shared_ptr<Connector> connector() const {
    Credentials credentials;
    credentials.access_key_id = "id";
    credentials.access_key_secret = "secret";
    Config config;
    config.prefetch_chunk_size = Size{kChunkBytes};
    config.prefetch_vcpus = 2;
    config.verify_crc64 = false;
    return *Connector::make(server_.url(""), "cn-test", config,
                            CredentialsCache::make_fixed(system_clock(), std::move(credentials)));
  }
  static void reply(WireConnection& peer, const WireRequest& request) {
    if (request.method == "HEAD") {  // where an open finds no memory
      peer.send(http_head("200 OK", {"ETag: \"E1\"", "x-oss-request-id: ID",
                                     "Content-Length: " + std::to_string(kObjectBytes)}));
      return;
    }
    unsigned long long first = 0;
    unsigned long long last = kObjectBytes - 1;
    const std::string range = request.header("Range");
    std::sscanf(range.c_str(), "bytes=%llu-%llu", &first, &last);  // NOLINT(cert-err34-c)
    last = std::min<unsigned long long>(last, kObjectBytes - 1);
    const std::vector<std::string> headers = {"ETag: \"E1\"", "x-oss-request-id: ID",
                                              "Content-Range: bytes " + std::to_string(first) +
                                                  "-" + std::to_string(last) + "/" +
                                                  std::to_string(kObjectBytes)};
    peer.send(http_reply(206, pattern_string(kSeed, first, last - first + 1), headers));
  }
  // All of the object, in pieces.
  static void read_all(ObjectReader& reader) {
    std::string piece(3 * kChunkBytes / 2, '\0');
    for (std::uint64_t at = 0; at < kObjectBytes;) {
      const Result<std::size_t> got =
          reader.read_at(at, std::as_writable_bytes(std::span(piece)), no_interrupt());
      ASSERT_TRUE(got.is_ok()) << got.status().message();
      ASSERT_TRUE(
          matches_pattern(reinterpret_cast<const std::byte*>(piece.data()), kSeed, at, *got));
      at += *got;
    }
  }

  WireServer server_{&SharedMemory::reply};
  std::shared_ptr<SharedBudget> shared_;
  std::shared_ptr<Budget> others_;
  Ticket rest_;
};

TEST_F(SharedMemory, ThreeConnectorsReadAtOnceWithinOneLimit) {
  std::vector<std::shared_ptr<Connector>> three;
  for (int i = 0; i < 3; ++i) three.push_back(connector());
  std::atomic<bool> passed{false};
  std::atomic<bool> done{false};
  std::thread watch([&] {
    while (!done) {
      std::uint64_t sum = 0;
      for (const auto& one : three) sum += one->stats().memory_bytes;
      if (sum > kLeftBytes || shared_->used_bytes() > shared_->limit_bytes()) passed = true;
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> readers;
  for (int i = 0; i < 6; ++i) {
    readers.emplace_back([&, i] {
      for (int round = 0; round < 3; ++round) {
        auto reader = three[i % 3]->open({"oss://bucket/" + std::to_string(i)}, no_interrupt());
        ASSERT_TRUE(reader.is_ok()) << reader.status().message();
        read_all(**reader);
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  done = true;
  watch.join();
  EXPECT_FALSE(passed.load());
  for (const auto& one : three) one->close();
  EXPECT_EQ(shared_->used_bytes(), rest_.bytes());
}

TEST_F(SharedMemory, AnIdleConnectorsThreadsAreWokenToGiveUp) {
  const auto idle = connector();
  const auto kept = idle->open({"oss://bucket/a"}, no_interrupt());
  ASSERT_TRUE(kept.is_ok());
  for (int pass = 0; pass < 2; ++pass) read_all(**kept);  // what is read again is kept
  const std::uint64_t had = idle->stats().memory_bytes;
  ASSERT_GT(had, kLeftBytes / 2);
  const auto reads = connector();
  const auto reader = reads->open({"oss://bucket/b"}, no_interrupt());
  ASSERT_TRUE(reader.is_ok());
  read_all(**reader);
  EXPECT_GT(reads->stats().memory_peak_bytes, kLeftBytes / 3);
  EXPECT_LT(idle->stats().memory_bytes, had);
  read_all(**kept);
}

}  // namespace
}  // namespace ossmc
