// How often a thread that is behind serves all its sockets.
#include <gtest/gtest.h>

#include <array>
#include <chrono>

#include "transfer/turn_order.h"

namespace ossmc {
namespace {

using namespace std::chrono_literals;

// With timeout.stallSeconds at its least, 0.1, a thread that was behind let its own sockets stall.
TEST(TurnInterval, AllAreServedSeveralTimesBeforeOneWouldCountAsStalled) {
  for (const Duration stall : {Duration(100ms), Duration(200ms), Duration(1s), Duration(15s)}) {
    EXPECT_LE(TurnOrder::interval_for(stall), stall / 4);
  }
  EXPECT_EQ(TurnOrder::interval_for(15s), TurnOrder::kServeAllInterval);

  TurnOrder order(25ms);
  TimePoint now = TimePoint{} + 1h;
  std::array<ReadySocket, 3> ready{};
  for (int i = 0; i < 3; ++i) {
    ready[static_cast<std::size_t>(i)] = {
        .socket = i, .events = 1, .at_once = false, .sequence = static_cast<std::uint64_t>(i)};
  }
  EXPECT_EQ(order.choose(ready, now), 3u);
  EXPECT_EQ(order.choose(ready, now + 24ms), 1u);
  EXPECT_EQ(order.choose(ready, now + 25ms), 3u);
}

}  // namespace
}  // namespace ossmc
