#include "transfer/shared_descriptors.h"

#include <gtest/gtest.h>

#include <memory>

namespace ossmc {
namespace {

TEST(SharedDescriptors, AnExchangeIsAloneIfNoOtherWasThereFromItsBeginOn) {
  SharedDescriptors shared;
  const std::uint64_t alone = shared.begin_exchange();
  EXPECT_TRUE(shared.was_alone(alone));
  EXPECT_TRUE(shared.holds_any());
  const std::uint64_t second = shared.begin_exchange();
  EXPECT_FALSE(shared.was_alone(alone));
  EXPECT_FALSE(shared.was_alone(second));
  shared.end_exchange();
  EXPECT_FALSE(shared.was_alone(alone)) << "the other one may have had what it lacked";
  shared.end_exchange();
  EXPECT_FALSE(shared.holds_any());
  EXPECT_TRUE(shared.was_alone(shared.begin_exchange()));
}

TEST(SharedDescriptors, NobodyIsAloneWhileAConnectionIsKept) {
  SharedDescriptors shared;
  shared.add_socket();
  EXPECT_TRUE(shared.holds_any());
  const std::uint64_t begun = shared.begin_exchange();
  EXPECT_FALSE(shared.was_alone(begun));
  shared.remove_sockets(1);
  EXPECT_TRUE(shared.was_alone(begun));
}

TEST(SharedDescriptors, AllThreadsOfTheProcessAreAskedToGiveWay) {
  SharedDescriptors shared;
  const auto one = std::make_shared<Waker>();
  const auto gone = std::make_shared<Waker>();
  shared.join(one);
  shared.join(gone);
  shared.leave(*gone);
  shared.ask_to_give_way();
  EXPECT_EQ(shared.times_asked(), 1u);
  EXPECT_TRUE(one->take());
  EXPECT_FALSE(gone->take());
}

TEST(SharedDescriptors, OneTriesAtATime) {
  SharedDescriptors shared;
  EXPECT_TRUE(shared.try_take_turn());
  EXPECT_FALSE(shared.try_take_turn());
  shared.end_turn();
  EXPECT_TRUE(shared.try_take_turn());
}

TEST(SharedDescriptors, TellWhetherSomebodyWasRefusedMeanwhile) {
  SharedDescriptors shared;
  const TimePoint now = TimePoint{} + std::chrono::hours(1);
  EXPECT_FALSE(shared.was_refused_since(now));
  shared.note_refusal(now);
  EXPECT_TRUE(shared.was_refused_since(now));
  EXPECT_FALSE(shared.was_refused_since(now + std::chrono::nanoseconds(1)));
}

}  // namespace
}  // namespace ossmc
