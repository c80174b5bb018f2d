#include "prefetch/concurrency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

#include "base/random.h"

namespace ossmc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr ConcurrencyOptions kOptions{.start = 32, .least = 2, .most = 256};

// A network that gives so much a connection, and no more than so much in all.
struct Network {
  double bytes_per_second_and_connection;
  double bytes_per_second;
  double noise = 0;  // each interval's rate is this share higher or lower
};

class Drive {
 public:
  explicit Drive(Network what, ConcurrencyOptions options = kOptions)
      : level(options), network(what) {}

  void run(Duration time, bool full = true, bool cpu_bound = false) {
    for (const TimePoint end = now + time; now < end; now += milliseconds(50)) {
      level.add({.now = now,
                 .bytes_received = static_cast<std::uint64_t>(bytes_),
                 .throttles = throttles,
                 .full = full,
                 .cpu_bound = cpu_bound});
      const double rate = std::min(network.bytes_per_second_and_connection * level.level(),
                                   network.bytes_per_second);
      const double luck = 1 + network.noise * (2 * random_->uniform() - 1);
      bytes_ += rate * luck * 0.05;
      highest = std::max(highest, level.level());
    }
  }

  ConcurrencyLevel level;
  Network network;
  TimePoint now{seconds(1000)};
  std::uint64_t throttles = 0;
  int highest = 0;

 private:
  double bytes_ = 0;
  std::unique_ptr<Random> random_ = make_seeded_random(7);
};

TEST(ConcurrencyLevel, DoublesWhileEachConnectionBringsItsRateAndEndsAtTheMost) {
  Drive drive({10e6, 100e9});
  drive.run(milliseconds(600));
  EXPECT_EQ(drive.level.level(), 64);
  drive.run(milliseconds(1400));
  EXPECT_EQ(drive.level.level(), 256);
  drive.run(seconds(10));
  EXPECT_EQ(drive.highest, 256);
}

TEST(ConcurrencyLevel, GoesBackWhereMoreConnectionsBringNothing) {
  Drive drive({50e6, 1.6e9});  // full with 32
  drive.run(milliseconds(600));
  EXPECT_EQ(drive.level.level(), 64);
  drive.run(milliseconds(500));
  EXPECT_EQ(drive.level.level(), 32);
  EXPECT_EQ(drive.highest, 64);
}

TEST(ConcurrencyLevel, TriesAgainAfterTwoFourAndEightSeconds) {
  Drive drive({50e6, 1.6e9});
  int trials = 0;
  int before = drive.level.level();
  for (int i = 0; i < 20 * 20; ++i) {  // 20 s
    drive.run(milliseconds(50));
    if (drive.level.level() > before) ++trials;
    before = drive.level.level();
  }
  EXPECT_EQ(trials, 4);  // at about 0.5, 3, 8 and 17 s
}

TEST(ConcurrencyLevel, FindsANetworkThatBecameFaster) {
  Drive drive({50e6, 1.6e9});
  drive.run(milliseconds(1500));
  ASSERT_EQ(drive.level.level(), 32);
  drive.network.bytes_per_second = 100e9;
  drive.run(seconds(4));
  EXPECT_GE(drive.level.level(), 128);
}

TEST(ConcurrencyLevel, StaysWithinAFactorOfTwoOfTheBestUnderNoise) {
  Drive drive({20e6, 2e9, 0.3});  // full with 100
  drive.run(seconds(4));
  EXPECT_GE(drive.level.level(), 64);
  EXPECT_LE(drive.level.level(), 256);
}

TEST(ConcurrencyLevel, TimeThatIsNotFullSaysNothing) {
  Drive drive({10e6, 100e9});
  drive.run(seconds(10), /*full=*/false);
  EXPECT_EQ(drive.level.level(), 32);
}

TEST(ConcurrencyLevel, ATrialThatIsSeldomFullStaysAndIsNotJudgedByItsWorstMoments) {
  Drive drive({50e6, 100e9});
  drive.run(milliseconds(600));
  ASSERT_EQ(drive.level.level(), 64);
  drive.network.bytes_per_second = 0.5e9;
  for (int i = 0; i < 20; ++i) {  // full for a third of the time, in which little comes
    drive.run(milliseconds(50), /*full=*/true);
    drive.run(milliseconds(150), /*full=*/false);
  }
  EXPECT_EQ(drive.level.level(), 64);
}

TEST(ConcurrencyLevel, NoTrialWhileTheCpuIsTheLimit) {
  Drive drive({10e6, 100e9});
  drive.run(seconds(10), /*full=*/true, /*cpu_bound=*/true);
  EXPECT_EQ(drive.level.level(), 32);
}

TEST(ConcurrencyLevel, AThrottledReplyHalvesItAndATrialGoesUpByAnEighthAfterFiveSeconds) {
  Drive drive({10e6, 100e9});
  drive.run(seconds(3));
  ASSERT_EQ(drive.level.level(), 256);
  drive.throttles = 5;  // a burst counts once
  drive.run(milliseconds(100));
  EXPECT_EQ(drive.level.level(), 128);
  EXPECT_TRUE(drive.level.is_throttled(drive.now));
  drive.throttles = 9;
  drive.run(milliseconds(100));
  EXPECT_EQ(drive.level.level(), 128);
  drive.run(milliseconds(4700));
  EXPECT_EQ(drive.level.level(), 128);
  drive.run(milliseconds(900));
  EXPECT_GE(drive.level.level(), 144);
  EXPECT_LE(drive.level.level(), 162);
  EXPECT_FALSE(drive.level.is_throttled(drive.now));
}

TEST(ConcurrencyLevel, ThrottlingThatGoesOnEndsAtTheLeast) {
  Drive drive({10e6, 100e9});
  for (int i = 0; i < 20; ++i) {
    ++drive.throttles;
    drive.run(milliseconds(600));
  }
  EXPECT_EQ(drive.level.level(), 2);
}

TEST(ConcurrencyLevel, AFixedOneMovesForNothing) {
  Drive drive({10e6, 100e9}, {.start = 32, .least = 2, .most = 32});
  drive.run(seconds(5));
  drive.throttles = 100;
  drive.run(seconds(5));
  EXPECT_EQ(drive.level.level(), 32);
  EXPECT_EQ(drive.highest, 32);
}

}  // namespace
}  // namespace ossmc
