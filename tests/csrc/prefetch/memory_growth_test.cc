// How much of the budget is used: what pays while a reader goes forward, and all of it while nobody
// reads.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "csrc/prefetch/scheduler_fixture.h"

namespace ossmc {
namespace {

constexpr std::uint64_t kKept = 4;
constexpr std::uint64_t kBudget = 64;

class MemoryGrowthTest : public testing::Test {
 protected:
  MemoryGrowthTest() {
    house_.add_object("a", 200 * kChunk);
    house_.add_object("b", 10 * kChunk);
  }
  // Chunks [begin, end), one after the other, each as soon as it is there.
  void read(ObjectStream& stream, std::uint64_t begin, std::uint64_t end) {
    for (std::uint64_t i = begin; i < end; ++i) {
      house_.scheduler.claims().claim(stream, i);
      while (stream.slot(i).chunk.view().phase != ChunkPhase::kReady)
        ASSERT_TRUE(house_.transport.step());
      std::string out;
      ASSERT_TRUE(house_.read(stream, i * kChunk, kChunk, &out).is_ok());
      house_.scheduler.claims().release(stream, i);
      ASSERT_EQ(out, house_.expected(stream.name().key, i * kChunk, kChunk)) << i;
    }
  }
  std::uint64_t chunks_used() const { return house_.budget->used_bytes() / kChunk; }

  SchedulerHouse house_{{.budget_bytes = kBudget * kChunk,
                         .kept_bytes = kKept * kChunk,
                         .least_ready_bytes = 2 * kChunk}};
};

// All of the budget was touched, and first touch is the largest cost of a fresh process.
TEST_F(MemoryGrowthTest, AReaderThatGoesForwardUsesAFewChunksAgainAndAgain) {
  const auto a = house_.open_now("a");
  read(*a, 0, 200);
  // Kept, in flight with all slots taken, ready, and the one that is being read.
  EXPECT_LE(house_.budget->peak_bytes() / kChunk, kKept + 2 * 4 + 2 * 2 + 2);
  EXPECT_EQ(house_.ranges().size(), 200U);
}

TEST_F(MemoryGrowthTest, WhileNobodyReadsFetchingGoesOnToTheBudget) {
  const auto a = house_.open_now("a");
  house_.transport.run();
  EXPECT_GE(chunks_used(), kBudget * 15 / 16 - 1);
  EXPECT_LT(chunks_used(), kBudget);
  // And goes on with what is read, though more lies ready than while somebody reads.
  read(*a, 0, 100);
  house_.transport.run();
  EXPECT_EQ(house_.ranges().size(), 100 + chunks_used() - kKept);
}

TEST_F(MemoryGrowthTest, WhatWasReadLastMayBeReadAgainWithoutARequest) {
  const auto a = house_.open_now("a");
  read(*a, 0, 30);
  const auto before = house_.ranges();
  read(*a, 30 - kKept, 30);
  for (std::size_t i = before.size(); i < house_.ranges().size(); ++i)
    EXPECT_GE(std::stoull(house_.ranges()[i].substr(2)), 30 * kChunk) << house_.ranges()[i];
}

TEST_F(MemoryGrowthTest, AnObjectThatIsReadAgainStaysInMemory) {
  const auto b = house_.open_now("b");
  for (int pass = 0; pass < 2; ++pass) read(*b, 0, 10);
  const auto a = house_.open_now("a");
  read(*a, 0, 100);
  read(*b, 0, 10);
  EXPECT_EQ(std::ranges::count_if(house_.ranges(),
                                  [](const std::string& range) { return range[0] == 'b'; }),
            10);
}

TEST(RampTest, AThreadThatBeginsTakesNoMoreThanItsRampButWhatIsUrgent) {
  SchedulerHouse house({.budget_bytes = kBudget * kChunk, .most_slots_per_thread = 8});
  house.add_object("a", 200 * kChunk);
  house.transport.set_ramp(2);
  const auto a = house.open_now("a");
  while (house.transport.started().size() < 6) ASSERT_TRUE(house.transport.step());
  EXPECT_EQ(house.transport.most_in_progress(), 2 * 2);
  EXPECT_EQ(house.scheduler.limited_by(), "network");
  for (const std::uint64_t i : {50, 51}) house.scheduler.claims().claim(*a, i);
  ASSERT_TRUE(house.transport.step());
  EXPECT_GT(house.transport.most_in_progress(), 2 * 2);
  for (const std::uint64_t i : {50, 51}) house.scheduler.claims().release(*a, i);
}

TEST(RampTest, WhereTheUserHasChosenTheNumberAllOfThemStartAtOnce) {
  SchedulerHouse house({.budget_bytes = kBudget * kChunk});
  house.add_object("a", 200 * kChunk);
  house.transport.set_ramp(2);
  const auto a = house.open_now("a");
  while (house.transport.started().size() < 10) ASSERT_TRUE(house.transport.step());
  EXPECT_EQ(house.transport.most_in_progress(), 2 * 4);
}

}  // namespace
}  // namespace ossmc
