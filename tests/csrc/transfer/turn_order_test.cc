#include "transfer/turn_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <vector>

namespace ossmc {
namespace {

using namespace std::chrono_literals;

class TurnOrderTest : public ::testing::Test {
 protected:
  // Sockets in the order they are to be served.
  std::vector<int> served(std::vector<ReadySocket> ready) {
    ready.resize(order_.choose(ready, now_));
    std::vector<int> sockets;
    for (const ReadySocket& one : ready) sockets.push_back(one.socket);
    return sockets;
  }
  static ReadySocket other(int socket, std::uint64_t sequence) {
    return {.socket = socket, .events = 1, .at_once = false, .sequence = sequence};
  }
  static ReadySocket at_once(int socket) { return {.socket = socket, .events = 1}; }

  // A turn that serves all, after which choices are made for a while.
  void serve_all() { served({}); }

  using Sockets = std::vector<int>;
  TimePoint now_ = TimePoint{} + 1h;
  TurnOrder order_;
};

TEST_F(TurnOrderTest, NobodyIsReady) { EXPECT_EQ(served({}), Sockets{}); }

TEST_F(TurnOrderTest, OfManyTheOneThatBeganFirst) {
  serve_all();
  EXPECT_EQ(served({other(5, 30), other(6, 10), other(7, 20)}), Sockets{6});
  EXPECT_EQ(served({other(5, 30), other(7, 20)}), Sockets{7});
  EXPECT_EQ(served({other(5, 30)}), Sockets{5});
}

TEST_F(TurnOrderTest, WhoIsAwaitedComesFirstAndKeepsNobodyOut) {
  serve_all();
  EXPECT_EQ(served({other(5, 1), at_once(6), other(7, 2), at_once(8)}).size(), 3u);
  EXPECT_EQ(served({other(5, 2), at_once(6), other(7, 1)}), (Sockets{6, 7}));
  EXPECT_EQ(served({at_once(6), at_once(7), at_once(8)}).size(), 3u);
}

TEST_F(TurnOrderTest, AllAreServedOnceAnInterval) {
  serve_all();
  now_ += TurnOrder::kServeAllInterval - 1ms;
  EXPECT_EQ(served({other(5, 2), other(6, 1)}), Sockets{6});
  now_ += 1ms;
  EXPECT_EQ(served({other(5, 2), other(6, 1)}), (Sockets{6, 5}));
  EXPECT_EQ(served({other(5, 2), other(6, 1)}), Sockets{6});
}

TEST_F(TurnOrderTest, IsBehindWithTwoLeftOver) {
  serve_all();
  EXPECT_FALSE(order_.is_behind());
  const auto ready = [](int count) {
    std::vector<ReadySocket> all;
    for (int i = 0; i < count; ++i) all.push_back(other(i, static_cast<std::uint64_t>(i)));
    return all;
  };
  served(ready(2));
  EXPECT_FALSE(order_.is_behind());
  served(ready(3));
  EXPECT_TRUE(order_.is_behind());
  now_ += TurnOrder::kServeAllInterval;  // in the turn that serves all, too
  EXPECT_EQ(served(ready(3)).size(), 3u);
  EXPECT_TRUE(order_.is_behind());
  served({at_once(1), at_once(2), at_once(3), at_once(4), at_once(5), other(6, 1)});
  EXPECT_FALSE(order_.is_behind());
  served(ready(3));
  served({});
  EXPECT_FALSE(order_.is_behind());
}

// Sixteen that are always ready, in turns of a millisecond: nobody stands still.
TEST_F(TurnOrderTest, NobodyWaitsLongerThanTheInterval) {
  serve_all();
  std::vector<ReadySocket> ready;
  std::map<int, TimePoint> last;
  for (int i = 0; i < 16; ++i) {
    ready.push_back(other(i, static_cast<std::uint64_t>(100 - i)));
    last[i] = now_;
  }
  for (int turn = 0; turn < 5000; ++turn) {
    now_ += 1ms;
    for (const int socket : served(ready)) last[socket] = now_;
    for (const auto& [socket, time] : last) {
      ASSERT_LE(now_ - time, TurnOrder::kServeAllInterval) << socket;
    }
  }
}

}  // namespace
}  // namespace ossmc
