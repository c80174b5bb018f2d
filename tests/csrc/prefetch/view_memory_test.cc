#include "prefetch/view_memory.h"

#include <gtest/gtest.h>

#include "csrc/prefetch/loose_streams.h"

namespace ossmc {
namespace {

class ViewMemoryTest : public testing::Test {
 protected:
  LooseStreams streams_;
  const LooseStreams::StreamPtr a_ = streams_.open_chunks(3);
  const LooseStreams::StreamPtr b_ = streams_.open(100);
  ViewMemory views_;  // ends before the streams
};

TEST_F(ViewMemoryTest, TurnsAreFirstComeFirstServed) {
  EXPECT_FALSE(views_.somebody_waits());
  const std::uint64_t first = views_.take_turn();
  const std::uint64_t second = views_.take_turn();
  const std::uint64_t third = views_.take_turn();
  EXPECT_TRUE(views_.is_first(first));
  EXPECT_FALSE(views_.is_first(second));
  views_.end_turn(second);  // it was interrupted
  views_.end_turn(first);
  EXPECT_FALSE(views_.is_first(second));
  EXPECT_TRUE(views_.is_first(third));
  views_.end_turn(third);
  views_.end_turn(third);
  EXPECT_FALSE(views_.somebody_waits());
  EXPECT_FALSE(views_.is_first(third));
  EXPECT_TRUE(views_.is_first(views_.take_turn()));
}

TEST_F(ViewMemoryTest, RegionsAreInTheOrderOfOpen) {
  EXPECT_EQ(views_.next(0), nullptr);
  views_.add(*b_, streams_.region_for(*b_));
  views_.add(*a_, streams_.region_for(*a_));
  EXPECT_EQ(views_.next(0), a_.get());
  EXPECT_EQ(views_.next(a_->sequence()), b_.get());
  EXPECT_EQ(views_.next(b_->sequence()), nullptr);
  EXPECT_NE(a_->plan.region, nullptr);
  views_.remove_stream(*a_);
  EXPECT_EQ(views_.next(0), b_.get());
  views_.remove_stream(*b_);
  views_.remove_stream(*b_);
  EXPECT_EQ(views_.next(0), nullptr);
}

TEST_F(ViewMemoryTest, ARegionThatManyUseCountsOnce) {
  const auto a = streams_.region_for(*a_);
  const auto b = streams_.region_for(*b_);
  EXPECT_FALSE(views_.is_used(*a));
  views_.use(*a);
  views_.use(*a);
  EXPECT_EQ(views_.used_bytes(), a_->size());
  views_.use(*b);
  EXPECT_EQ(views_.used_bytes(), a_->size() + 100);
  views_.end_use(*a);
  EXPECT_TRUE(views_.is_used(*a));
  EXPECT_EQ(views_.used_bytes(), a_->size() + 100);
  views_.end_use(*a);
  EXPECT_FALSE(views_.is_used(*a));
  EXPECT_EQ(views_.used_bytes(), 100U);
  views_.end_use(*b);
  EXPECT_EQ(views_.used_bytes(), 0U);
}

TEST_F(ViewMemoryTest, AViewOfAClosedObjectStillUsesItsRegion) {
  views_.add(*a_, streams_.region_for(*a_));
  const auto region = a_->plan.region;
  views_.use(*region);
  views_.remove_stream(*a_);
  a_->plan.region = nullptr;
  EXPECT_TRUE(views_.is_used(*region));
  EXPECT_EQ(views_.used_bytes(), a_->size());
  views_.end_use(*region);
  EXPECT_EQ(views_.used_bytes(), 0U);
}

// The next region may lie where one was that is gone.
TEST_F(ViewMemoryTest, NothingIsKeptOfARegionThatIsNotUsedAnyMore) {
  for (int i = 0; i < 100; ++i) {
    const auto region = streams_.region_for(*b_);
    EXPECT_FALSE(views_.is_used(*region));
    views_.use(*region);
    EXPECT_EQ(views_.used_bytes(), 100U);
    views_.end_use(*region);
  }
  EXPECT_EQ(views_.used_bytes(), 0U);
}

}  // namespace
}  // namespace ossmc
