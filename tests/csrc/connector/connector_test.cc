// Calls of a connector that meet, or end in the middle.
#include "connector/connector.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <new>
#include <string>
#include <utility>

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

class ThrowingInterrupt final : public Interrupt {
 public:
  bool pending() override { throw std::bad_alloc(); }
};

// Nobody closed them: they were fetched on, and their memory stayed taken.
TEST(Connector, ObjectsAreClosedWhenTheirOpenIsThrownOutOf) {
  WireServer silent([](WireConnection& peer, const WireRequest&) { peer.wait(kHang); });
  const std::shared_ptr<Connector> connector = connector_to(silent.url(""));
  ThrowingInterrupt interrupt;
  EXPECT_THROW(
      static_cast<void>(connector->open_many({"oss://bucket/1", "oss://bucket/2"}, interrupt)),
      std::bad_alloc);
  EXPECT_TRUE(silent.wait_until(
      [&] { return connector->stats().memory_bytes == 0 && silent.open_connections() == 0; },
      kHang));
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
