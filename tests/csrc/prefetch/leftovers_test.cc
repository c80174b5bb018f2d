#include "prefetch/leftovers.h"

#include <gtest/gtest.h>

#include <memory>

#include "csrc/prefetch/loose_streams.h"

namespace ossmc {
namespace {

class LeftoversTest : public testing::Test {
 protected:
  // Somebody copies from its chunks `first` and `second` when it is closed.
  void close_while_copied(ObjectStream& stream, std::uint64_t first, std::uint64_t second) {
    for (const std::uint64_t i : {first, second}) {
      ASSERT_TRUE(stream.slot(i).chunk.try_pin(1));
      left_.add(stream, i);
    }
    stream.become_closed();
  }
  FreedMemory take() {
    FreedMemory freed;
    left_.take(&freed);
    return freed;
  }

  static constexpr std::uint64_t kBytes = LooseStreams::kChunkBytes;
  LooseStreams streams_;
  LooseStreams::StreamPtr a_ = streams_.open_chunks(2);
  Leftovers left_;
};

TEST_F(LeftoversTest, WhereNothingIsLeftNothingIsTaken) {
  EXPECT_TRUE(left_.empty());
  EXPECT_TRUE(take().streams.empty());
}

TEST_F(LeftoversTest, AChunkIsTakenWhenNobodyCopiesFromItAnyMore) {
  for (const std::uint64_t i : {0, 1}) streams_.fill(*a_, i);
  close_while_copied(*a_, 0, 1);
  EXPECT_TRUE(take().empty());
  a_->slot(1).chunk.unpin();
  EXPECT_EQ(take().blocks.size(), 1U);
  EXPECT_EQ(streams_.budget->used_bytes(), kBytes);
  EXPECT_FALSE(left_.empty());
  a_->slot(0).chunk.unpin();
  EXPECT_EQ(take().blocks.size(), 1U);
  EXPECT_EQ(streams_.budget->used_bytes(), 0U);
  EXPECT_TRUE(left_.empty());
}

TEST_F(LeftoversTest, WhatAnotherHasTakenIsForgotten) {
  for (const std::uint64_t i : {0, 1}) streams_.fill(*a_, i);
  close_while_copied(*a_, 0, 1);
  FreedMemory freed;
  for (const std::uint64_t i : {0, 1}) {
    a_->slot(i).chunk.unpin();
    ASSERT_TRUE(take_chunk(*a_, i, &freed));
  }
  EXPECT_TRUE(take().empty());
  EXPECT_TRUE(left_.empty());
}

TEST_F(LeftoversTest, ItsRegionGoesWithTheLastChunk) {
  a_->plan.region = streams_.region_for(*a_);
  for (const std::uint64_t i : {0, 1}) LooseStreams::fill_in_region(*a_, i);
  close_while_copied(*a_, 0, 1);
  a_->slot(0).chunk.unpin();
  EXPECT_TRUE(take().regions.empty());
  EXPECT_EQ(streams_.budget->used_bytes(), 2 * kBytes);
  a_->slot(1).chunk.unpin();
  EXPECT_EQ(take().regions.size(), 1U);
  EXPECT_EQ(streams_.budget->used_bytes(), 0U);
}

// Its destructor may free much: not under the mutex.
TEST_F(LeftoversTest, AnObjectThatGoesMeanwhileIsTheCallersToFree) {
  for (const std::uint64_t i : {0, 1}) streams_.fill(*a_, i);
  close_while_copied(*a_, 0, 1);
  FreedMemory freed;
  left_.take(&freed);
  ASSERT_FALSE(freed.streams.empty());
  const std::weak_ptr<ObjectStream> gone = a_;
  for (const std::uint64_t i : {0, 1}) a_->slot(i).chunk.unpin();
  a_ = nullptr;
  EXPECT_FALSE(gone.expired());
  freed = {};
  EXPECT_TRUE(gone.expired());  // nothing else has kept it
  EXPECT_EQ(streams_.budget->used_bytes(), 0U);
  EXPECT_TRUE(take().streams.empty());
  EXPECT_TRUE(left_.empty());
}

}  // namespace
}  // namespace ossmc
