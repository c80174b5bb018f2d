#include "prefetch/urgent_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "csrc/prefetch/loose_streams.h"

namespace ossmc {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Work = ChunkSlot::Work;

class UrgentWorkTest : public testing::Test {
 protected:
  // "object@chunk" of all that is in line.
  std::vector<std::string> in_line() const {
    std::vector<std::string> line;
    UrgentWork::Entry entry;
    while ((entry = urgent_.next(entry.place)).stream != nullptr)
      line.push_back(entry.stream->name().key + "@" + std::to_string(entry.index));
    EXPECT_EQ(urgent_.empty(), line.empty());
    return line;
  }
  // As a read that waits for it.
  void claim_and_add(ObjectStream& stream, std::uint64_t index) {
    urgent_.claim(stream, index);
    urgent_.add(stream, index);
  }

  LooseStreams streams_;
  UrgentWork urgent_;
};

TEST_F(UrgentWorkTest, IsEmptyAtFirst) {
  EXPECT_THAT(in_line(), IsEmpty());
  EXPECT_EQ(urgent_.opens(), 0U);
}

TEST_F(UrgentWorkTest, FirstComeIsFirstWhateverTheOrderOfOpenAndOfChunks) {
  const auto a = streams_.open_chunks(4);
  const auto b = streams_.open_chunks(4);
  claim_and_add(*b, 3);
  claim_and_add(*a, 2);
  claim_and_add(*b, 0);
  EXPECT_THAT(in_line(), ElementsAre("o2@3", "o1@2", "o2@0"));
  EXPECT_EQ(urgent_.opens(), 0U);
}

TEST_F(UrgentWorkTest, AChunkIsInLineExactlyWhileItsWorkIsUrgent) {
  const auto a = streams_.open_chunks(4);
  for (const std::uint64_t i : {3, 1, 2}) claim_and_add(*a, i);
  EXPECT_EQ(a->slot(1).work, Work::kUrgent);
  EXPECT_EQ(a->slot(0).work, Work::kNone);
  urgent_.remove(*a, 1);
  EXPECT_EQ(a->slot(1).work, Work::kNone);
  EXPECT_THAT(in_line(), ElementsAre("o1@3", "o1@2"));
  urgent_.add(*a, 1);  // it did not come: once more, behind the others
  EXPECT_THAT(in_line(), ElementsAre("o1@3", "o1@2", "o1@1"));
}

TEST_F(UrgentWorkTest, KeepsWhatIsInLineAliveAndNothingElse) {
  auto a = streams_.open_chunks(2);
  claim_and_add(*a, 1);
  const std::weak_ptr<ObjectStream> kept = a;
  a = nullptr;
  ASSERT_FALSE(kept.expired());
  urgent_.remove(*urgent_.next(0).stream, 1);
  EXPECT_TRUE(kept.expired());
}

// --- claims ---

TEST_F(UrgentWorkTest, AChunkStaysInLineUntilTheLastOfTwoReadersGivesItUp) {
  const auto a = streams_.open_chunks(3);
  claim_and_add(*a, 1);
  claim_and_add(*a, 2);
  urgent_.claim(*a, 1);  // another reader
  EXPECT_EQ(a->slot(1).claims, 2U);
  EXPECT_FALSE(urgent_.release(*a, 1));
  EXPECT_THAT(in_line(), ElementsAre("o1@1", "o1@2"));
  EXPECT_TRUE(urgent_.release(*a, 1));
  EXPECT_EQ(a->slot(1).work, Work::kNone);
  EXPECT_EQ(a->slot(1).claims, 0U);
  EXPECT_THAT(in_line(), ElementsAre("o1@2"));
}

TEST_F(UrgentWorkTest, WhatIsInFlightIsNotTouchedByTheLastRelease) {
  const auto a = streams_.open_chunks(2);
  claim_and_add(*a, 1);
  urgent_.remove(*a, 1);
  a->slot(1).work = Work::kInFlight;
  EXPECT_TRUE(urgent_.release(*a, 1));
  EXPECT_EQ(a->slot(1).work, Work::kInFlight);
}

// --- first requests ---

TEST_F(UrgentWorkTest, AFirstRequestIsLastInLineAndCounted) {
  const auto a = streams_.open_chunks(2);
  const auto opening = streams_.opening();
  claim_and_add(*a, 1);
  urgent_.add_open(*opening);
  claim_and_add(*a, 0);
  EXPECT_THAT(in_line(), ElementsAre("o1@1", "o2@0", "o1@0"));
  EXPECT_EQ(urgent_.opens(), 1U);
  urgent_.remove(*opening, 0);
  EXPECT_EQ(urgent_.opens(), 0U);
  EXPECT_EQ(opening->slot(0).work, Work::kNone);
  EXPECT_THAT(in_line(), ElementsAre("o1@1", "o1@0"));
}

TEST_F(UrgentWorkTest, TheFirstChunkOfAnOpenObjectIsNoFirstRequest) {
  const auto opening = streams_.opening();
  urgent_.add_open(*opening);
  urgent_.remove(*opening, 0);
  LooseStreams::become_open(*opening, 2 * LooseStreams::kChunkBytes);
  claim_and_add(*opening, 0);
  EXPECT_EQ(urgent_.opens(), 0U);
  EXPECT_TRUE(urgent_.release(*opening, 0));
  EXPECT_EQ(urgent_.opens(), 0U);
  EXPECT_THAT(in_line(), IsEmpty());
}

// --- closed objects ---

TEST_F(UrgentWorkTest, AClosedObjectLeavesTheLineAndItsClaimedChunksAreTold) {
  const auto before = streams_.open_chunks(4);
  const auto a = streams_.open_chunks(4);
  const auto behind = streams_.open_chunks(4);
  claim_and_add(*before, 3);
  claim_and_add(*a, 3);
  claim_and_add(*behind, 0);
  claim_and_add(*a, 1);
  urgent_.claim(*a, 1);
  urgent_.claim(*a, 2);  // in flight
  a->slot(2).work = Work::kInFlight;
  EXPECT_THAT(urgent_.remove_stream(*a),
              ElementsAre(&a->slot(1).chunk, &a->slot(2).chunk, &a->slot(3).chunk));
  EXPECT_THAT(in_line(), ElementsAre("o1@3", "o3@0"));
  EXPECT_EQ(a->slot(1).work, Work::kNone);
  EXPECT_EQ(a->slot(2).work, Work::kInFlight);
  // Its readers give up what they have claimed when they see it.
  EXPECT_FALSE(urgent_.release(*a, 1));
  EXPECT_TRUE(urgent_.release(*a, 1));
  EXPECT_TRUE(urgent_.release(*a, 2));
  EXPECT_TRUE(urgent_.release(*a, 3));
}

TEST_F(UrgentWorkTest, AnObjectThatIsClosedWhileItIsOpenedLeavesTheLine) {
  const auto opening = streams_.opening();
  const auto other = streams_.opening();
  urgent_.add_open(*opening);
  urgent_.add_open(*other);
  EXPECT_THAT(urgent_.remove_stream(*opening), IsEmpty());
  EXPECT_EQ(urgent_.opens(), 1U);
  EXPECT_THAT(in_line(), ElementsAre("o2@0"));
}

TEST_F(UrgentWorkTest, NothingOfAnEmptyObjectIsInLine) {
  const auto empty = streams_.open(0);
  EXPECT_THAT(urgent_.remove_stream(*empty), IsEmpty());
  EXPECT_THAT(in_line(), IsEmpty());
}

// A chunk for which the system had no memory waits before those that were asked for after it.
TEST_F(UrgentWorkTest, WhatCouldNotBeStartedGoesBackToItsPlace) {
  const auto opened = streams_.open_chunks(4);
  ObjectStream& stream = *opened;
  for (const std::uint64_t index : {2u, 0u, 1u}) claim_and_add(stream, index);
  const UrgentWork::Entry first = urgent_.next(0);
  urgent_.remove(stream, first.index);
  EXPECT_THAT(in_line(), ElementsAre("o1@0", "o1@1"));
  urgent_.put_back(stream, first.index, first.place);
  EXPECT_THAT(in_line(), ElementsAre("o1@2", "o1@0", "o1@1"));
  EXPECT_EQ(stream.slot(2).work, Work::kUrgent);
  for (const std::uint64_t index : {2u, 0u, 1u}) EXPECT_TRUE(urgent_.release(stream, index));
  EXPECT_THAT(in_line(), IsEmpty());
}

}  // namespace
}  // namespace ossmc
