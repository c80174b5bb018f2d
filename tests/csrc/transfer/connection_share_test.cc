#include "transfer/connection_share.h"

#include <gtest/gtest.h>

namespace ossmc {
namespace {

using namespace std::chrono_literals;

class ConnectionShareTest : public ::testing::Test {
 protected:
  // How many exchanges begin, one after the other, that all stay.
  int begin_all(ConnectionShare& share, int busy = 0, int most = 100) {
    int begun = 0;
    while (begun < most && share.may_begin(busy + begun, now_)) {
      share.on_begin();
      ++begun;
    }
    return begun;
  }
  // True: it may pass.
  bool refuse(ConnectionShare& share, int busy) {
    ExchangeOutcome outcome;
    outcome.error = TransportError::kNoDescriptor;
    share.on_end(&outcome, busy, now_);
    return outcome.may_pass;
  }
  void end_well(ConnectionShare& share, int busy) {
    ExchangeOutcome outcome;
    share.on_end(&outcome, busy, now_);
  }

  SharedDescriptors shared_;
  ConnectionShare share_{shared_};
  TimePoint now_ = TimePoint{} + 1h;
};

TEST_F(ConnectionShareTest, WithoutARefusalThereIsNoLimit) {
  EXPECT_EQ(begin_all(share_), 100);
  EXPECT_EQ(share_.limit(), INT_MAX);
  EXPECT_EQ(share_.due(), TimePoint::max());
}

TEST_F(ConnectionShareTest, ARefusalLowersItToWhatIsThereAndItRisesOneByOne) {
  EXPECT_EQ(begin_all(share_, 0, 5), 5);
  EXPECT_TRUE(refuse(share_, 4));
  EXPECT_FALSE(share_.take_needs_others());
  EXPECT_FALSE(share_.may_begin(4, now_));
  EXPECT_TRUE(share_.may_begin(3, now_)) << "where one has ended the next may begin";
  share_.on_nothing();
  now_ = share_.due();
  EXPECT_EQ(begin_all(share_, 4), 1);
  EXPECT_FALSE(share_.may_begin(5, now_));
  now_ = share_.due();
  EXPECT_EQ(begin_all(share_, 5), 1);
}

TEST_F(ConnectionShareTest, TriesForOneMoreBecomeRareWhereTheyFail) {
  EXPECT_EQ(begin_all(share_, 0, 5), 5);
  refuse(share_, 4);
  Duration last{};
  for (int i = 0; i < 8; ++i) {
    const Duration wait = share_.due() - now_;
    EXPECT_GE(wait, last);
    EXPECT_LE(wait, ConnectionShare::kLongestWait);
    last = wait;
    now_ = share_.due();
    EXPECT_EQ(begin_all(share_, 4), 1);
    EXPECT_TRUE(refuse(share_, 4));
  }
  EXPECT_EQ(last, ConnectionShare::kLongestWait);
}

TEST_F(ConnectionShareTest, LongAfterTheLastRefusalThereIsNoLimitAgain) {
  EXPECT_EQ(begin_all(share_, 0, 2), 2);
  refuse(share_, 1);
  EXPECT_EQ(share_.limit(), 1);
  now_ += ConnectionShare::kForgetting;
  EXPECT_EQ(begin_all(share_, 1), 100);
}

TEST_F(ConnectionShareTest, OnlyWhoTriedAloneIsToldThatThereIsNone) {
  EXPECT_EQ(begin_all(share_, 0, 1), 1);
  EXPECT_TRUE(refuse(share_, 0)) << "others may have had it at that time";
  EXPECT_TRUE(share_.take_needs_others());
  EXPECT_FALSE(share_.take_needs_others());
  EXPECT_FALSE(share_.may_begin(0, now_)) << "not at once";
  now_ = share_.due();
  EXPECT_EQ(begin_all(share_, 0), 1) << "one by one";
  EXPECT_TRUE(share_.is_alone());
  EXPECT_FALSE(refuse(share_, 0));
  EXPECT_FALSE(share_.take_needs_others());
  EXPECT_TRUE(share_.may_begin(0, now_)) << "the next one is told at once, or has its descriptor";
}

TEST_F(ConnectionShareTest, NobodyIsToldSoWhileAnotherHasAConnection) {
  ConnectionShare other(shared_);
  EXPECT_EQ(begin_all(other, 0, 1), 1);
  EXPECT_EQ(begin_all(share_, 0, 1), 1);
  EXPECT_TRUE(refuse(share_, 0));
  for (int i = 0; i < 5; ++i) {
    now_ = share_.due();
    EXPECT_EQ(begin_all(share_, 0), 1);
    EXPECT_TRUE(refuse(share_, 0));
    EXPECT_TRUE(share_.take_needs_others());
  }
  end_well(other, 0);
  now_ = share_.due();
  EXPECT_EQ(begin_all(share_, 0), 1);
  EXPECT_FALSE(refuse(share_, 0));
}

// Two that tried at the same moment would never find out that there is none.
TEST_F(ConnectionShareTest, WhoHasNothingTriesInItsTurn) {
  ConnectionShare other(shared_);
  for (ConnectionShare* one : {&share_, &other}) EXPECT_EQ(begin_all(*one, 0, 1), 1);
  for (ConnectionShare* one : {&share_, &other}) EXPECT_TRUE(refuse(*one, 0));
  now_ += ConnectionShare::kShortestWait;
  ASSERT_EQ(begin_all(share_, 0), 1);
  EXPECT_FALSE(other.may_begin(0, now_));
  EXPECT_EQ(other.due(), now_ + ConnectionShare::kTurnWait);
  EXPECT_FALSE(refuse(share_, 0));
  now_ = other.due();
  EXPECT_EQ(begin_all(other, 0), 1);
  EXPECT_FALSE(refuse(other, 0));
}

TEST_F(ConnectionShareTest, ItsTurnIsOverWhenItHasAConnectionOrNothingToDo) {
  ConnectionShare other(shared_);
  for (ConnectionShare* one : {&share_, &other}) EXPECT_EQ(begin_all(*one, 0, 1), 1);
  for (ConnectionShare* one : {&share_, &other}) EXPECT_TRUE(refuse(*one, 0));
  now_ += ConnectionShare::kShortestWait;
  ASSERT_TRUE(share_.may_begin(0, now_));
  share_.on_nothing();
  ASSERT_EQ(begin_all(other, 0), 1);
  EXPECT_TRUE(other.has_turn());
  other.on_connected(now_);
  EXPECT_FALSE(other.has_turn());
  EXPECT_TRUE(share_.may_begin(0, now_));
}

TEST_F(ConnectionShareTest, WhoHasSeveralGivesUpOneForWhoHasNone) {
  share_.give_up_one(0, now_);
  share_.give_up_one(1, now_);
  EXPECT_EQ(share_.limit(), INT_MAX);
  share_.give_up_one(3, now_);
  EXPECT_EQ(share_.limit(), 2);
  share_.give_up_one(3, now_);
  EXPECT_EQ(share_.limit(), 1) << "the one asked before has not ended yet";
  share_.give_up_one(3, now_);
  EXPECT_EQ(share_.limit(), 1);
}

}  // namespace
}  // namespace ossmc
