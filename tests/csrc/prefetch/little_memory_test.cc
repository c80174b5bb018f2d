// A system that has less memory than the budget: reads go on in what there is.
#include <gmock/gmock.h>

#include <string>

#include "csrc/prefetch/refused_memory.h"
#include "csrc/prefetch/scheduler_fixture.h"
#include "support/csrc/fiber.h"

namespace ossmc {
namespace {

using testing::HasSubstr;

class LittleMemory : public testing::Test {
 protected:
  // Memory is refused to virtual threads alone.
  static void in_fiber(const std::function<void()>& body) {
    Fiber fiber(body);
    fiber.resume();
    ASSERT_TRUE(fiber.finished());
  }
  // Object "a" in reads of two chunks and a half; so much time passes between them.
  static void read_all(SchedulerHouse& house, ObjectStream& stream, Duration pause = {}) {
    constexpr std::uint64_t kPiece = 5 * kChunk / 2;
    for (std::uint64_t at = 0; at < stream.size(); at += kPiece) {
      const std::size_t bytes = std::min(kPiece, stream.size() - at);
      std::string got;
      const Status status = house.read(stream, at, bytes, &got);
      ASSERT_TRUE(status.is_ok()) << status.message();
      ASSERT_EQ(got, house.expected("a", at, bytes)) << at;
      house.transport.run_for(pause);
    }
  }
  static std::uint64_t bytes_of(SchedulerHouse& house, std::uint64_t chunks) {
    return chunks * house.pool->block_bytes(kChunk);
  }
};

// The read failed by MemoryBudgetError although other chunks could have been given up.
TEST_F(LittleMemory, AReadGoesOnInWhatTheSystemHas) {
  for (const std::uint64_t chunks : {12u, 4u, 2u, 1u}) {
    SCOPED_TRACE(chunks);
    SchedulerHouse house({.budget_bytes = 64 * kChunk});
    house.add_object("a", 40 * kChunk + 100);
    const RefusedMemory memory(
        [&] { return house.budget->used_bytes() > bytes_of(house, chunks); });
    in_fiber([&] {
      const auto a = house.open_now("a");
      read_all(house, *a);
      house.scheduler.objects().close(*a);
    });
    EXPECT_GT(memory.blocks(), 0u);
    EXPECT_LE(house.budget->limit_bytes(), bytes_of(house, chunks));
    EXPECT_EQ(house.parts.quota.available(), RetryQuota::kCapacity);
    EXPECT_EQ(load(house.parts.counters.retries), 0u);
    EXPECT_FALSE(house.scheduler.is_paused());
  }
}

TEST_F(LittleMemory, ItGrowsAgainWhereTheSystemHasMore) {
  SchedulerHouse house({.budget_bytes = 64 * kChunk});
  house.add_object("a", 60 * kChunk);
  bool refuses = true;
  const RefusedMemory memory(
      [&] { return refuses && house.budget->used_bytes() > bytes_of(house, 4); });
  in_fiber([&] {
    const auto a = house.open_now("a");
    house.transport.run_for(std::chrono::milliseconds(500));
    EXPECT_LE(house.budget->used_bytes(), bytes_of(house, 4));
    refuses = false;
    read_all(house, *a, std::chrono::seconds(3));
    EXPECT_EQ(house.budget->limit_bytes(), 64 * kChunk);
    house.scheduler.objects().close(*a);
  });
}

TEST_F(LittleMemory, WithoutMemoryForOneChunkTheErrorSaysWhoRefusedIt) {
  SchedulerHouse house({.budget_bytes = 64 * kChunk});
  house.add_object("a", 4 * kChunk);
  bool refuses = true;
  const RefusedMemory memory([&] { return refuses; });
  in_fiber([&] {
    const auto a = house.open("a");
    house.transport.run();
    ASSERT_EQ(a->state(), StreamState::kFailed);
    EXPECT_EQ(a->failure().code(), StatusCode::kMemoryBudget);
    EXPECT_THAT(a->failure().message(), HasSubstr("ulimit -v"));
    house.scheduler.objects().close(*a);
    refuses = false;
    const auto again = house.open_now("a");
    read_all(house, *again);
    house.scheduler.objects().close(*again);
  });
}

}  // namespace
}  // namespace ossmc
