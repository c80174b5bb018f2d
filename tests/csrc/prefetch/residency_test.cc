#include "prefetch/residency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "csrc/prefetch/loose_streams.h"

namespace ossmc {
namespace {

using testing::IsEmpty;
using testing::UnorderedElementsAre;

class ResidencyTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kBytes = LooseStreams::kChunkBytes;

  void add(ObjectStream& stream, std::uint64_t index) {
    streams_.add_unread(residency_, stream, index);
  }
  void add_consumed(ObjectStream& stream, std::uint64_t index) {
    streams_.add_consumed(residency_, stream, index);
  }
  // "object@chunk" of the unread one that goes; "": none.
  std::string evict_unread(const ObjectStream* except = nullptr) {
    FreedMemory freed;
    ObjectStream* stream = nullptr;
    std::uint64_t index = 0;
    if (!residency_.evict_unread(except, &freed, &stream, &index)) return "";
    EXPECT_EQ(freed.blocks.size(), 1U);
    EXPECT_EQ(stream->slot(index).chunk.view().phase, ChunkPhase::kAbsent);
    return stream->name().key + "@" + std::to_string(index);
  }
  bool evict_consumed(const ObjectStream* except = nullptr) {
    FreedMemory freed;
    return residency_.evict_consumed(except, &freed);
  }
  bool can_free(std::uint64_t bytes, bool unread_too, const ObjectStream* except = nullptr) {
    return residency_.can_free(
        bytes, unread_too ? Residency::Goes::kUnreadToo : Residency::Goes::kConsumed, except);
  }

  LooseStreams streams_;
  const LooseStreams::StreamPtr a_ = streams_.open_chunks(8);
  const LooseStreams::StreamPtr b_ = streams_.open(3 * kBytes + 100);
  const LooseStreams::StreamPtr c_ = streams_.open_chunks(8);
  Residency residency_{KeptBytes{}};  // ends before the streams
};

TEST_F(ResidencyTest, NothingThereNothingGoes) {
  EXPECT_FALSE(evict_consumed());
  EXPECT_EQ(evict_unread(), "");
  EXPECT_TRUE(can_free(0, true));
  EXPECT_FALSE(can_free(1, true));
}

TEST_F(ResidencyTest, TheOneConsumedLongestAgoGoesFirst) {
  for (const std::uint64_t i : {0, 1, 2}) add(*a_, i);
  for (const std::uint64_t i : {2, 0}) residency_.mark_consumed(*a_, i);
  residency_.mark_consumed(*a_, 2);  // read once more: it does not count
  EXPECT_TRUE(evict_consumed());
  EXPECT_FALSE(LooseStreams::is_there(*a_, 2));
  EXPECT_TRUE(evict_consumed());
  EXPECT_FALSE(LooseStreams::is_there(*a_, 0));
  EXPECT_FALSE(evict_consumed());
  EXPECT_TRUE(LooseStreams::is_there(*a_, 1));
}

TEST_F(ResidencyTest, WhatIsKeptIsNotSpare) {
  Residency keeps_one{{.of_object = kBytes}};
  for (const std::uint64_t i : {0, 1, 2}) streams_.add_consumed(keeps_one, *a_, i);
  EXPECT_TRUE(keeps_one.can_free(2 * kBytes, Residency::Goes::kSpare, nullptr));
  EXPECT_FALSE(keeps_one.can_free(2 * kBytes + 1, Residency::Goes::kSpare, nullptr));
  EXPECT_TRUE(keeps_one.can_free(3 * kBytes, Residency::Goes::kConsumed, nullptr));
  FreedMemory freed;
  EXPECT_TRUE(keeps_one.evict_spare(&freed));
  EXPECT_TRUE(keeps_one.evict_spare(&freed));
  EXPECT_FALSE(keeps_one.evict_spare(&freed));
  EXPECT_TRUE(LooseStreams::is_there(*a_, 2));
  EXPECT_TRUE(keeps_one.evict_consumed(nullptr, &freed));
}

TEST_F(ResidencyTest, BytesThatNobodyHasReadAreCountedForAllAndForEachObject) {
  for (const std::uint64_t i : {0, 1, 2}) add(*a_, i);
  add(*b_, 0);
  residency_.add(*a_, 0);  // again: it counts once
  EXPECT_EQ(residency_.unread_bytes(), 4 * kBytes);
  EXPECT_EQ(a_->plan.unread_bytes, 3 * kBytes);
  residency_.mark_consumed(*a_, 0);
  EXPECT_EQ(evict_unread(a_.get()), "o2@0");
  residency_.forget(*a_, 1);
  EXPECT_EQ(residency_.unread_bytes(), kBytes);
  EXPECT_EQ(a_->plan.unread_bytes, kBytes);
  EXPECT_EQ(b_->plan.unread_bytes, 0U);
  FreedMemory freed;
  residency_.remove_stream(*a_, &freed);
  EXPECT_EQ(residency_.unread_bytes(), 0U);
  EXPECT_EQ(a_->plan.unread_bytes, 0U);
}

TEST_F(ResidencyTest, WhatIsConsumedOfOneObjectMayBeLeftAlone) {
  add_consumed(*a_, 0);
  add_consumed(*b_, 0);
  EXPECT_TRUE(evict_consumed(a_.get()));
  EXPECT_FALSE(LooseStreams::is_there(*b_, 0));
  EXPECT_FALSE(evict_consumed(a_.get()));
  EXPECT_TRUE(LooseStreams::is_there(*a_, 0));
}

TEST_F(ResidencyTest, TheUnreadOneFurthestInTheOrderOfOpenGoesFirst) {
  for (const auto& stream : {c_, a_, b_}) {
    for (const std::uint64_t i : {1, 3}) add(*stream, i);
  }
  EXPECT_EQ(evict_unread(c_.get()), "o2@3");
  EXPECT_EQ(evict_unread(), "o3@3");
  EXPECT_EQ(evict_unread(), "o3@1");
  EXPECT_EQ(evict_unread(a_.get()), "o2@1");
  EXPECT_EQ(evict_unread(a_.get()), "");
  EXPECT_EQ(evict_unread(), "o1@3");
}

TEST_F(ResidencyTest, WhatIsConsumedIsNotUnreadAndTheOtherWayRound) {
  add(*a_, 0);
  add_consumed(*a_, 1);
  EXPECT_EQ(evict_unread(), "o1@0");
  EXPECT_EQ(evict_unread(), "");
  EXPECT_TRUE(evict_consumed());
  EXPECT_FALSE(evict_consumed());
}

TEST_F(ResidencyTest, AChunkThatWasReadAsItArrivedIsConsumed) {
  streams_.fill(*a_, 0);
  LooseStreams::hand_out(*a_, 0);
  residency_.add(*a_, 0);
  EXPECT_EQ(residency_.consumed_bytes(), kBytes);
  EXPECT_EQ(evict_unread(), "");
  EXPECT_TRUE(evict_consumed());
}

TEST_F(ResidencyTest, OfWhatIsNotThereNothingIsNoted) {
  residency_.mark_consumed(*a_, 3);
  residency_.forget(*a_, 3);
  EXPECT_EQ(residency_.consumed_bytes(), 0U);
  EXPECT_FALSE(evict_consumed());
}

TEST_F(ResidencyTest, ChunksCountByWhatTheyHoldOfTheBudget) {
  const std::uint64_t tail = streams_.pool->block_bytes(100);
  ASSERT_GT(tail, 100U);
  add_consumed(*b_, 3);
  EXPECT_EQ(residency_.consumed_bytes(), tail);
  EXPECT_TRUE(can_free(tail, false));
  EXPECT_FALSE(can_free(tail + 1, false));
  add_consumed(*b_, 0);
  EXPECT_EQ(residency_.consumed_bytes(), tail + kBytes);
  EXPECT_TRUE(evict_consumed());
  EXPECT_EQ(residency_.consumed_bytes(), kBytes);
  EXPECT_EQ(streams_.budget->used_bytes(), kBytes);
  residency_.forget(*b_, 0);
  EXPECT_EQ(residency_.consumed_bytes(), 0U);
}

TEST_F(ResidencyTest, ForgottenChunksKeepTheirMemory) {
  add(*a_, 0);
  add_consumed(*a_, 1);
  for (const std::uint64_t i : {0, 1}) residency_.forget(*a_, i);
  EXPECT_FALSE(evict_consumed());
  EXPECT_EQ(evict_unread(), "");
  EXPECT_TRUE(LooseStreams::is_there(*a_, 0));
  EXPECT_TRUE(LooseStreams::is_there(*a_, 1));
}

// --- what may not go ---

TEST_F(ResidencyTest, WhatSomebodyCopiesFromStaysAndIsNoted) {
  add_consumed(*a_, 0);
  add_consumed(*a_, 1);
  add(*a_, 2);
  for (const std::uint64_t i : {0, 2}) ASSERT_TRUE(a_->slot(i).chunk.try_pin(1));
  EXPECT_TRUE(evict_consumed());
  EXPECT_FALSE(LooseStreams::is_there(*a_, 1));
  EXPECT_TRUE(residency_.take_met_pins());
  EXPECT_FALSE(residency_.take_met_pins());
  EXPECT_FALSE(evict_consumed());
  EXPECT_EQ(evict_unread(), "");
  EXPECT_TRUE(residency_.take_met_pins());
  EXPECT_FALSE(can_free(1, true));
  EXPECT_TRUE(residency_.take_met_pins());
  for (const std::uint64_t i : {0, 2}) a_->slot(i).chunk.unpin();
  EXPECT_TRUE(can_free(2 * kBytes, true));
  EXPECT_TRUE(evict_consumed());
  EXPECT_EQ(evict_unread(), "o1@2");
  EXPECT_FALSE(residency_.take_met_pins());
}

TEST_F(ResidencyTest, WhatSomebodyClaimsStays) {
  add_consumed(*a_, 0);
  add(*a_, 1);
  for (const std::uint64_t i : {0, 1}) a_->slot(i).claims = 1;
  EXPECT_FALSE(can_free(1, true));
  EXPECT_FALSE(evict_consumed());
  EXPECT_EQ(evict_unread(), "");
  EXPECT_FALSE(residency_.take_met_pins());
}

TEST_F(ResidencyTest, ChunksOfAnObjectWithARegionStay) {
  add_consumed(*a_, 0);
  add(*a_, 1);
  a_->plan.region = streams_.region_for(*a_);
  EXPECT_FALSE(can_free(1, true));
  EXPECT_FALSE(evict_consumed());
  EXPECT_EQ(evict_unread(), "");
}

TEST_F(ResidencyTest, AFailedChunkGoesAsIfConsumedWhenNobodyCopiesFromItAnyMore) {
  add(*a_, 0);
  streams_.begin_fill(*a_, 1);
  Chunk& chunk = a_->slot(1).chunk;
  const std::vector<std::byte> some(100);
  chunk.append(some.data(), some.size(), false);
  ASSERT_TRUE(chunk.try_pin(100));
  chunk.fail();
  residency_.add_failed(*a_, 1);
  EXPECT_EQ(residency_.consumed_bytes(), kBytes);
  EXPECT_FALSE(evict_consumed());
  chunk.unpin();
  EXPECT_TRUE(evict_consumed());
  EXPECT_EQ(chunk.view().phase, ChunkPhase::kAbsent);
  EXPECT_TRUE(LooseStreams::is_there(*a_, 0));
}

// --- what can be had ---

TEST_F(ResidencyTest, TellsWhetherSoMuchCanBeHadBeforeAnythingGoes) {
  add_consumed(*a_, 0);
  add(*a_, 1);
  add(*b_, 0);
  EXPECT_TRUE(can_free(kBytes, false));
  EXPECT_FALSE(can_free(kBytes + 1, false));
  EXPECT_TRUE(can_free(3 * kBytes, true));
  EXPECT_FALSE(can_free(3 * kBytes + 1, true));
  EXPECT_TRUE(can_free(2 * kBytes, true, a_.get()));  // what is consumed may be its own
  EXPECT_FALSE(can_free(3 * kBytes, true, a_.get()));
  EXPECT_EQ(streams_.budget->used_bytes(), 3 * kBytes);
}

// --- closed objects ---

TEST_F(ResidencyTest, AClosedObjectIsForgottenAndItsNeighboursAreNot) {
  for (const auto& stream : {a_, b_, c_}) {
    add(*stream, 0);
    add_consumed(*stream, 1);
  }
  add(*b_, 3);  // its last
  FreedMemory freed;
  EXPECT_THAT(residency_.remove_stream(*b_, &freed), IsEmpty());
  EXPECT_EQ(freed.blocks.size(), 3U);
  EXPECT_EQ(streams_.budget->used_bytes(), 4 * kBytes);
  EXPECT_EQ(residency_.consumed_bytes(), 2 * kBytes);
  EXPECT_EQ(evict_unread(), "o3@0");
  EXPECT_EQ(evict_unread(), "o1@0");
  EXPECT_TRUE(evict_consumed());
  EXPECT_TRUE(evict_consumed());
  EXPECT_FALSE(evict_consumed());
}

TEST_F(ResidencyTest, PinnedChunksOfAClosedObjectAreForgottenTooAndTold) {
  for (const std::uint64_t i : {0, 2, 4}) add(*a_, i);
  for (const std::uint64_t i : {1, 3, 5}) add_consumed(*a_, i);
  for (const std::uint64_t i : {2, 3}) ASSERT_TRUE(a_->slot(i).chunk.try_pin(1));
  FreedMemory freed;
  EXPECT_THAT(residency_.remove_stream(*a_, &freed), UnorderedElementsAre(2, 3));
  EXPECT_EQ(freed.blocks.size(), 4U);
  EXPECT_TRUE(residency_.take_met_pins());
  EXPECT_EQ(residency_.consumed_bytes(), 0U);
  for (const std::uint64_t i : {2, 3}) a_->slot(i).chunk.unpin();
  EXPECT_FALSE(evict_consumed());
  EXPECT_EQ(evict_unread(), "");
  EXPECT_THAT(residency_.remove_stream(*a_, &freed), IsEmpty());
}

TEST_F(ResidencyTest, AClosedObjectGivesUpWhatWasClaimedOfIt) {
  add(*a_, 0);
  a_->slot(0).claims = 1;
  FreedMemory freed;
  EXPECT_THAT(residency_.remove_stream(*a_, &freed), IsEmpty());
  EXPECT_EQ(streams_.budget->used_bytes(), 0U);
}

TEST_F(ResidencyTest, OfAnEmptyObjectThereIsNothingToForget) {
  const auto empty = streams_.open(0);
  add(*c_, 0);
  FreedMemory freed;
  EXPECT_THAT(residency_.remove_stream(*empty, &freed), IsEmpty());
  EXPECT_EQ(evict_unread(), "o3@0");
}

}  // namespace
}  // namespace ossmc
