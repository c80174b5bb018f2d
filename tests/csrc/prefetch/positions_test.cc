#include "prefetch/positions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "csrc/prefetch/loose_streams.h"

namespace ossmc {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class PositionsTest : public testing::Test {
 protected:
  std::vector<std::uint64_t> sweep() const {
    std::vector<std::uint64_t> sequences;
    ObjectStream* stream = nullptr;
    for (std::uint64_t behind = 0; (stream = positions_.next_in_sweep(behind)) != nullptr;
         behind = stream->sequence())
      sequences.push_back(stream->sequence());
    return sequences;
  }
  std::vector<std::uint64_t> readers() const {
    std::vector<std::uint64_t> sequences;
    ObjectStream* stream = nullptr;
    for (std::uint64_t behind = 0; (stream = positions_.next_reader(behind)) != nullptr;
         behind = stream->sequence()) {
      EXPECT_TRUE(stream->plan.reading);
      sequences.push_back(stream->sequence());
    }
    EXPECT_EQ(positions_.readers(), sequences.size());
    return sequences;
  }

  static constexpr std::uint64_t kWindow = 4;
  LooseStreams streams_;
  const LooseStreams::StreamPtr a_ = streams_.open_chunks(20);
  const LooseStreams::StreamPtr b_ = streams_.open_chunks(20);
  const LooseStreams::StreamPtr empty_ = streams_.open(0);
  Positions positions_;  // ends before the streams
};

// --- the sweep ---

TEST_F(PositionsTest, TheSweepIsInTheOrderOfOpen) {
  positions_.start_sweep(*b_, 1);
  positions_.start_sweep(*a_, 1);
  EXPECT_THAT(sweep(), ElementsAre(1, 2));
  positions_.end_sweep(*a_);
  EXPECT_THAT(sweep(), ElementsAre(2));
  EXPECT_FALSE(positions_.empty());
  positions_.end_sweep(*b_);
  EXPECT_TRUE(positions_.empty());
}

TEST_F(PositionsTest, AnObjectWithNothingLeftToSweepIsNotInIt) {
  const auto one = streams_.open(17);
  positions_.start_sweep(*one, 1);  // its only chunk came with its first request
  positions_.start_sweep(*empty_, 0);
  EXPECT_THAT(sweep(), IsEmpty());
  positions_.sweep_again(*one, 0);
  EXPECT_THAT(sweep(), ElementsAre(4));
  positions_.remove(*one);
}

TEST_F(PositionsTest, TheSweepComesBackToTheFirstOfWhatWasGivenUp) {
  positions_.start_sweep(*a_, 10);
  positions_.sweep_again(*a_, 12);  // it comes there anyway
  EXPECT_EQ(a_->plan.sweep_next, 10U);
  positions_.sweep_again(*a_, 3);
  positions_.sweep_again(*a_, 7);
  EXPECT_EQ(a_->plan.sweep_next, 3U);
  positions_.end_sweep(*a_);
  positions_.sweep_again(*a_, 2);
  EXPECT_EQ(a_->plan.sweep_next, 2U);
  EXPECT_THAT(sweep(), ElementsAre(1));
}

TEST_F(PositionsTest, AReaderThatAForkedChildOpenedAgainIsNeverSwept) {
  positions_.sweep_again(*a_, 2);
  positions_.hold_sweep(*a_, false);
  EXPECT_FALSE(positions_.resume_sweep(*a_));
  EXPECT_FALSE(a_->plan.is_held);
  EXPECT_THAT(sweep(), IsEmpty());
}

// --- ahead of readers ---

TEST_F(PositionsTest, WhatLiesBehindAReadIsReadAhead) {
  EXPECT_TRUE(positions_.note_read(*b_, 5, kWindow));
  EXPECT_TRUE(positions_.note_read(*a_, 0, kWindow));
  EXPECT_THAT(readers(), ElementsAre(1, 2));
  EXPECT_EQ(b_->plan.cursor, 5U);
  EXPECT_EQ(b_->plan.ahead_next, 6U);
}

TEST_F(PositionsTest, AReadThatGoesOnKeepsWhatWasStartedAheadOfIt) {
  positions_.note_read(*a_, 0, kWindow);
  a_->plan.ahead_next = 5;  // all of the window has been started
  EXPECT_FALSE(positions_.note_read(*a_, 0, kWindow));
  EXPECT_TRUE(positions_.note_read(*a_, 1, kWindow));  // the window has moved on
  EXPECT_EQ(a_->plan.ahead_next, 5U);
}

TEST_F(PositionsTest, AReadThatJumpsIsReadAheadFromThere) {
  positions_.note_read(*a_, 0, kWindow);
  a_->plan.ahead_next = 5;
  positions_.note_read(*a_, 10, kWindow);
  EXPECT_EQ(a_->plan.ahead_next, 11U);
  a_->plan.ahead_next = 15;
  positions_.note_read(*a_, 2, kWindow);  // back: what lies behind it may have been given up
  EXPECT_EQ(a_->plan.ahead_next, 3U);
}

TEST_F(PositionsTest, BehindTheLastChunkIsNothingToReadAhead) {
  EXPECT_FALSE(positions_.note_read(*a_, 19, kWindow));
  EXPECT_THAT(readers(), IsEmpty());
  EXPECT_FALSE(a_->plan.reading);
  EXPECT_TRUE(positions_.note_read(*a_, 18, kWindow));
  EXPECT_FALSE(positions_.note_read(*a_, 19, kWindow));
}

TEST_F(PositionsTest, AnObjectLeavesTheReadersAndComesBack) {
  positions_.note_read(*a_, 3, kWindow);
  positions_.end_reading(*a_);
  EXPECT_FALSE(a_->plan.reading);
  EXPECT_TRUE(positions_.empty());
  EXPECT_TRUE(positions_.note_read(*a_, 4, kWindow));
  EXPECT_EQ(a_->plan.ahead_next, 5U);
  EXPECT_THAT(readers(), ElementsAre(1));
}

TEST_F(PositionsTest, AViewWantsAllFromTheFirstChunkOn) {
  positions_.note_read(*a_, 12, kWindow);
  positions_.read_whole(*a_);
  EXPECT_EQ(a_->plan.ahead_next, 0U);
  positions_.read_whole(*b_);
  EXPECT_THAT(readers(), ElementsAre(1, 2));
}

// --- both ---

TEST_F(PositionsTest, WhatWasAskedForAheadIsAskedForAheadAgain) {
  positions_.start_sweep(*a_, 1);
  positions_.note_read(*a_, 2, kWindow);
  a_->plan.ahead_next = 7;
  positions_.end_reading(*a_);
  positions_.fetch_again(*a_, 5);
  EXPECT_EQ(a_->plan.ahead_next, 5U);
  EXPECT_THAT(readers(), ElementsAre(1));
  EXPECT_EQ(a_->plan.sweep_next, 1U);  // the sweep has not come there yet
}

TEST_F(PositionsTest, WhatTheSweepAskedForIsSweptAgain) {
  positions_.start_sweep(*a_, 9);
  positions_.end_sweep(*a_);
  positions_.fetch_again(*a_, 8);
  EXPECT_EQ(a_->plan.sweep_next, 8U);
  EXPECT_THAT(sweep(), ElementsAre(1));
  EXPECT_THAT(readers(), IsEmpty());
}

TEST_F(PositionsTest, WhatNobodyAskedForIsNotAskedForAgain) {
  positions_.fetch_again(*a_, 3);  // never swept: of a reader that a forked child opened again
  EXPECT_TRUE(positions_.empty());
}

TEST_F(PositionsTest, AClosedObjectIsNowhere) {
  for (const auto& stream : {a_, b_}) {
    positions_.start_sweep(*stream, 1);
    positions_.note_read(*stream, 1, kWindow);
  }
  positions_.remove(*a_);
  EXPECT_THAT(sweep(), ElementsAre(2));
  EXPECT_THAT(readers(), ElementsAre(2));
  EXPECT_FALSE(a_->plan.reading);
  positions_.remove(*b_);
  positions_.remove(*b_);
  EXPECT_TRUE(positions_.empty());
}

}  // namespace
}  // namespace ossmc
