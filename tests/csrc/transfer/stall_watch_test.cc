#include "transfer/stall_watch.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <vector>

#include "support/csrc/fake_clock.h"

namespace ossmc {
namespace {

using namespace std::chrono_literals;

// Exchanges of constant rates, sampled once a period.
class StallWatchTest : public ::testing::Test {
 protected:
  struct Flow {
    double rate;  // bytes a second
    double bytes = 0;
    Progress progress;
  };

  Flow& add(double rate) {
    Flow& flow = *flows_.emplace_back(std::make_unique<Flow>());
    flow.rate = rate;
    flow.progress.restart(clock_.now());
    return flow;
  }
  void run(Duration duration) {
    for (Duration t{}; t < duration; t += watch_.period()) {
      clock_.advance(watch_.period());
      for (const auto& flow : flows_) {
        flow->bytes += flow->rate * std::chrono::duration<double>(watch_.period()).count();
        flow->progress.sample(clock_.now(), static_cast<std::uint64_t>(flow->bytes));
      }
    }
  }
  std::vector<std::size_t> stalled() {
    std::vector<const Progress*> all;
    all.reserve(flows_.size());
    for (const auto& flow : flows_) all.push_back(&flow->progress);
    std::vector<std::size_t> result;
    watch_.find(all, result);
    return result;
  }

  using Indices = std::vector<std::size_t>;
  FakeClock clock_;
  StallWatch watch_{16s};
  std::vector<std::unique_ptr<Flow>> flows_;
};

TEST_F(StallWatchTest, GivesEachExchangeItsFullTimeout) {
  add(0);
  run(15s);
  EXPECT_EQ(stalled(), Indices{});
  run(1s);
  EXPECT_EQ(stalled(), Indices{0});
}

TEST_F(StallWatchTest, AloneItMustReachSixteenKibibytesASecond) {
  add(16.0 * 1024 * 0.99);
  run(16s);
  EXPECT_EQ(stalled(), Indices{0});
  flows_.clear();
  add(16.0 * 1024 * 1.01);
  run(16s);
  EXPECT_EQ(stalled(), Indices{});
}

TEST_F(StallWatchTest, BlamesNobodyOnASlowLineThatAllShare) {
  for (int i = 0; i < 4; ++i) add(2000);
  run(30s);
  EXPECT_EQ(stalled(), Indices{});
}

TEST_F(StallWatchTest, FindsTheOneBelowHalfOfTheOthers) {
  for (int i = 0; i < 3; ++i) add(2000);
  add(800);
  add(1100);
  run(16s);
  EXPECT_EQ(stalled(), Indices{3});
}

TEST_F(StallWatchTest, FindsAllWhenAllStandStill) {
  for (int i = 0; i < 3; ++i) add(i == 1 ? 4 : 0);
  run(16s);
  EXPECT_EQ(stalled(), (Indices{0, 1, 2}));
}

TEST_F(StallWatchTest, LooksAtTheLastTimeoutOnly) {
  Flow& flow = add(1e9);
  run(60s);
  flow.rate = 0;
  run(15s);
  EXPECT_EQ(stalled(), Indices{});
  run(2s);
  EXPECT_EQ(stalled(), Indices{0});
  flow.rate = 1e6;
  run(1s);
  EXPECT_EQ(stalled(), Indices{});
}

TEST_F(StallWatchTest, CountsYoungSiblingsByTheirOwnAge) {
  add(20'000);  // above the limit of the slow rate: never stalled
  add(5'000);
  run(16s);
  EXPECT_EQ(stalled(), Indices{1});
  flows_.clear();
  add(5'000);
  run(14s);
  add(6'000);
  add(6'000);
  run(2s);
  EXPECT_EQ(stalled(), Indices{});
}

TEST_F(StallWatchTest, RestartForgetsTheTimeThatNobodyWatched) {
  Flow& flow = add(0);
  run(15s);
  clock_.advance(1h);
  flow.progress.restart(clock_.now(), 5);
  EXPECT_EQ(stalled(), Indices{});
  run(15s);
  EXPECT_EQ(stalled(), Indices{});
}

}  // namespace
}  // namespace ossmc
