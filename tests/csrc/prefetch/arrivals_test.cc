// What progress() tells: bytes that have come, and those that are known to be coming.
#include "prefetch/arrivals.h"

#include <gtest/gtest.h>

#include <string>

#include "csrc/prefetch/scheduler_fixture.h"
#include "prefetch/object_view.h"

namespace ossmc {
namespace {

class ArrivalsTest : public testing::Test {
 protected:
  ArrivedBytes arrived() const { return house_.scheduler.arrived(); }
  std::uint64_t total() const { return arrived().placed + arrived().to_come; }
  std::string read(ObjectStream& stream, std::uint64_t offset, std::size_t size) {
    std::string bytes;
    EXPECT_TRUE(house_.read(stream, offset, size, &bytes, false).is_ok());
    return bytes;
  }

  SchedulerHouse house_{{.budget_bytes = 64 * kChunk}};
};

TEST_F(ArrivalsTest, NothingIsKnownBeforeAnObjectIsOpen) {
  house_.add_object("a", 8 * kChunk);
  EXPECT_EQ(total(), 0U);
  EXPECT_EQ(arrived().announced, 0U);
}

TEST_F(ArrivalsTest, AnOpenObjectIsToComeAndThenThere) {
  house_.add_object("a", 8 * kChunk + 5);
  const auto a = house_.open_now("a");
  EXPECT_EQ(arrived().announced, 8 * kChunk + 5);
  std::uint64_t before = 0;
  while (house_.transport.step()) {
    EXPECT_EQ(total(), 8 * kChunk + 5);
    EXPECT_GE(arrived().placed, before);
    before = arrived().placed;
  }
  EXPECT_EQ(arrived().placed, 8 * kChunk + 5);
  EXPECT_EQ(arrived().to_come, 0U);
}

// Chunks in flight are many and large: who waits for whole ones sees nothing for long.
TEST_F(ArrivalsTest, BytesInFlightCountAsTheyCome) {
  house_.add_object("a", kChunk);
  house_.fault = [this](const HttpRequest& request, std::size_t) {
    FakeReply reply = serve(house_.objects["a"], request, kChunk / 8);
    reply.piece_delay = std::chrono::milliseconds(1);
    return reply;
  };
  const auto a = house_.open_now("a");
  bool was_between = false;
  while (house_.transport.step()) {
    was_between = was_between || (arrived().placed > 0 && arrived().placed < kChunk);
  }
  EXPECT_TRUE(was_between);
  EXPECT_EQ(arrived().placed, kChunk);
}

TEST_F(ArrivalsTest, ARetryCountsNoByteTwice) {
  house_.add_object("a", 4 * kChunk);
  house_.fault = [this](const HttpRequest& request, std::size_t index) -> std::optional<FakeReply> {
    if (index % 3 != 1) return {};
    return serve(house_.objects["a"], request).reset_after(kChunk / 2);
  };
  const auto a = house_.open_now("a");
  while (house_.transport.step()) EXPECT_EQ(total(), 4 * kChunk);
  EXPECT_GT(load(house_.parts.counters.retries), 0U);
  EXPECT_EQ(arrived().placed, 4 * kChunk);
}

TEST_F(ArrivalsTest, WhatAClosedObjectLacksIsNotToComeAnyMore) {
  house_.add_object("a", 20 * kChunk);
  const auto a = house_.open_now("a");
  while (arrived().placed < 3 * kChunk) ASSERT_TRUE(house_.transport.step());
  house_.scheduler.objects().close(*a);
  EXPECT_EQ(arrived().to_come, 0U);
  EXPECT_GT(arrived().placed, 0U);
  EXPECT_LT(arrived().placed, 20 * kChunk);
  EXPECT_EQ(arrived().announced, 20 * kChunk);
}

// Read, given up for other chunks, and read again.
TEST_F(ArrivalsTest, AChunkThatIsFetchedAgainCountsOnceForAnObjectThatComesWhole) {
  SchedulerHouse small({.budget_bytes = 8 * kChunk, .kept_bytes = 0});
  small.add_object("a", 32 * kChunk);
  const auto a = small.open_now("a");
  for (int pass = 0; pass < 2; ++pass) {
    for (std::uint64_t i = 0; i < 32; ++i) {
      std::string bytes;
      ASSERT_TRUE(small.read(*a, i * kChunk, kChunk, &bytes).is_ok());
    }
  }
  small.transport.run();
  EXPECT_GT(load(small.parts.counters.refetches), 0U);
  EXPECT_EQ(small.scheduler.arrived().placed, 32 * kChunk);
  EXPECT_EQ(small.scheduler.arrived().to_come, 0U);
}

TEST_F(ArrivalsTest, OfAnObjectThatIsNotPrefetchedOnlyWhatIsReadCounts) {
  house_.add_object("a", 40 * kChunk);
  const auto a = house_.open_known("a", false);
  EXPECT_EQ(total(), 0U);
  EXPECT_EQ(read(*a, 7 * kChunk + 3, 1000), house_.expected("a", 7 * kChunk + 3, 1000));
  EXPECT_GE(arrived().placed, 1000U);
  EXPECT_LT(arrived().placed, 40 * kChunk);
  EXPECT_EQ(arrived().to_come, 0U);
  EXPECT_EQ(arrived().announced, 0U);
}

TEST_F(ArrivalsTest, AViewAnnouncesAllOfItsObject) {
  house_.add_object("a", 6 * kChunk);
  const auto a = house_.open_known("a", false);
  const auto view =
      view_stream(house_.scheduler, *a, {.progress_limit = std::chrono::seconds(60)}, house_.pump);
  ASSERT_TRUE(view.is_ok()) << view.status().message();
  EXPECT_EQ(arrived().announced, 6 * kChunk);
  EXPECT_EQ(arrived().placed, 6 * kChunk);
  EXPECT_EQ(arrived().to_come, 0U);
}

}  // namespace
}  // namespace ossmc
