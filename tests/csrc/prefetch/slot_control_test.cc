#include "prefetch/slot_control.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>

#include "support/csrc/fake_clock.h"
#include "support/csrc/fake_thread_load.h"

namespace ossmc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

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
