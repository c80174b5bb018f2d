#include "prefetch/memory_ceiling.h"

#include <gtest/gtest.h>

namespace ossmc {
namespace {

using namespace std::chrono_literals;

class MemoryCeilingTest : public ::testing::Test {
 protected:
  std::shared_ptr<Budget> budget_ = std::make_shared<Budget>(1000);
  MemoryCeiling ceiling_{budget_};
  TimePoint now_ = TimePoint{} + 1h;
};

TEST_F(MemoryCeilingTest, AfterARefusalTheLimitIsWhatIsUsed) {
  EXPECT_EQ(ceiling_.due(), TimePoint::max());
  const Ticket ticket = Ticket::try_take(budget_, 400);
  ceiling_.lower(100, now_);
  EXPECT_EQ(budget_->limit_bytes(), 400u);
  EXPECT_EQ(budget_->free_bytes(), 0u);
}

TEST_F(MemoryCeilingTest, OneChunkIsAlwaysAllowed) {
  ceiling_.lower(100, now_);
  EXPECT_EQ(budget_->limit_bytes(), 100u);
}

TEST_F(MemoryCeilingTest, ARefusalDoesNotRaiseIt) {
  ceiling_.lower(100, now_);
  const Ticket ticket = Ticket::try_take(budget_, 50);
  ceiling_.lower(400, now_);
  EXPECT_EQ(budget_->limit_bytes(), 100u);
}

TEST_F(MemoryCeilingTest, ItRisesStepByStepToTheWholeBudget) {
  const Ticket ticket = Ticket::try_take(budget_, 400);
  ceiling_.lower(100, now_);
  EXPECT_FALSE(ceiling_.raise(now_));
  EXPECT_EQ(budget_->limit_bytes(), 400u);
  for (const std::uint64_t limit : {500u, 700u, 1000u}) {
    now_ = ceiling_.due();
    ASSERT_NE(now_, TimePoint::max());
    EXPECT_TRUE(ceiling_.raise(now_)) << "who waits for memory is told";
    EXPECT_EQ(budget_->limit_bytes(), limit);
  }
  EXPECT_EQ(ceiling_.due(), TimePoint::max());
}

}  // namespace
}  // namespace ossmc
