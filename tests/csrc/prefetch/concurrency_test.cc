#include "prefetch/concurrency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

#include "base/random.h"
#include "prefetch/slot_control.h"
#include "support/csrc/fake_clock.h"
#include "support/csrc/fake_thread_load.h"

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

TEST(SlotControl, SharesTheLevelEvenly) {
  const ThreadLoads loads(3, nullptr);
  const SlotControl slots({.threads = 3, .start_per_thread = 5}, loads);
  EXPECT_EQ(slots.slots(0) + slots.slots(1) + slots.slots(2), 15);
  EXPECT_EQ(slots.slots(2), 5);
}

TEST(SlotControl, IsFullOnlyWhileEveryThreadIs) {
  const ThreadLoads loads(2, nullptr);
  SlotControl slots({.threads = 2, .start_per_thread = 4, .most_per_thread = 64}, loads);
  TimePoint now{seconds(1)};
  std::uint64_t bytes = 0;
  const auto ask = [&](bool other_is_full) {
    now += milliseconds(50);
    bytes += 1000 * static_cast<std::uint64_t>(slots.total());
    const bool more = slots.on_asked(now, bytes, 0);
    slots.on_nothing(0, true);
    slots.on_nothing(1, other_is_full);
    return more;
  };
  for (int i = 0; i < 40; ++i) EXPECT_FALSE(ask(false));
  EXPECT_EQ(slots.next_due(now), TimePoint::max());
  bool more = false;
  for (int i = 0; i < 20; ++i) more = ask(true) || more;
  EXPECT_TRUE(more);
  EXPECT_GT(slots.total(), 8);
  EXPECT_EQ(slots.next_due(now), now + milliseconds(50));
}

// What is enough holds for the thread that is the limit, whatever the others are.
TEST(SlotControl, AThreadThatIsBusyNearlyAllTheTimeHasWhatIsEnoughForIt) {
  FakeClock clock;
  const FakeThreadLoad load(clock, 0.95);
  ThreadLoads loads(2, &load);
  SlotControl slots({.threads = 2, .start_per_thread = 8}, loads);
  for (int i = 0; i < 10; ++i) {
    clock.advance(milliseconds(100));
    loads.measure(0, clock.now());
  }
  EXPECT_FALSE(slots.is_cpu_bound());
  EXPECT_EQ(slots.slots(0, 3), 3);
  EXPECT_EQ(slots.slots(0, 100), 8);
  EXPECT_EQ(slots.slots(1, 3), 8);
  // What keeps it from more may have ended: it is to ask again.
  EXPECT_EQ(slots.next_due(clock.now()), TimePoint::max());
  slots.on_nothing(0, true);
  EXPECT_EQ(slots.next_due(clock.now()), clock.now() + milliseconds(200));
}

TEST(SlotControl, ThreadsThatAreBusyNearlyAllTheTimeAreTheLimit) {
  for (const double share : {0.5, 0.95}) {
    FakeClock clock;
    const FakeThreadLoad load(clock, share);
    ThreadLoads loads(2, &load);
    SlotControl slots({.threads = 2, .start_per_thread = 4, .most_per_thread = 64}, loads);
    for (int i = 0; i < 10; ++i) {
      clock.advance(milliseconds(100));
      loads.measure(0, clock.now());
      loads.measure(1, clock.now());
    }
    EXPECT_EQ(slots.is_cpu_bound(), share > 0.9) << share;
  }
}

}  // namespace
}  // namespace ossmc
