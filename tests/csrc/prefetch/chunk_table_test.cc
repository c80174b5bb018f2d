#include "prefetch/chunk_table.h"

#include <gtest/gtest.h>

#include <barrier>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/csrc/allocated_bytes.h"

namespace ossmc {
namespace {

void set_count(ChunkTable& table, std::uint64_t count) {
  Result<ChunkTable::Index> index = ChunkTable::make_index(count);
  ASSERT_TRUE(index.is_ok()) << index.status().message();
  table.set(std::move(index).value());
}

TEST(ChunkTableTest, TheFirstEntryIsThereBeforeTheSizeIsKnownAndStays) {
  ChunkTable table;
  EXPECT_EQ(table.count(), 0U);
  ChunkSlot* const first = &table[0];
  first->failures = 7;
  set_count(table, 1000);
  EXPECT_EQ(table.count(), 1000U);
  EXPECT_EQ(&table[0], first);
  EXPECT_EQ(table[0].failures, 7U);
}

TEST(ChunkTableTest, AnEmptyObjectAndOneOfOneChunkHaveTheFirstEntryAlone) {
  for (const std::uint64_t count : {0, 1}) {
    ChunkTable table;
    set_count(table, count);
    EXPECT_EQ(table.count(), count);
    EXPECT_EQ(table[0].work, ChunkSlot::Work::kNone);
  }
}

TEST(ChunkTableTest, EachChunkHasAnEntryOfItsOwnThatStaysWhereItIs) {
  for (const std::uint64_t count : {2, 64, 65, 66, 129, 130, 1000}) {
    ChunkTable table;
    set_count(table, count);
    std::set<ChunkSlot*> entries;
    for (std::uint64_t i = count; i-- > 0;) {
      entries.insert(&table[i]);
      EXPECT_EQ(table[i].claims, 0U);
      table[i].claims = static_cast<std::uint16_t>(i);
    }
    EXPECT_EQ(entries.size(), count);
    for (std::uint64_t i = 0; i < count; ++i) {
      EXPECT_EQ(table[i].claims, i);
      EXPECT_TRUE(entries.contains(&table[i]));
    }
  }
}

TEST(ChunkTableTest, MoreChunksThanAnIndexIsMadeForAreRefused) {
  const std::uint64_t largest = 48'800'000'000'000ULL;
  EXPECT_TRUE(ChunkTable::make_index(largest >> 20).is_ok());
  for (const std::uint64_t count : {largest, UINT64_MAX}) {
    const Result<ChunkTable::Index> index = ChunkTable::make_index(count);
    EXPECT_EQ(index.status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(index.status().message(), "has " + std::to_string(count) + " chunks");
  }
}

TEST(ChunkTableTest, TheLargestObjectCostsWhatIsInUseOfIt) {
  const std::size_t before = allocated_bytes();
  ChunkTable table;
  const std::uint64_t count = 48'800'000'000'000ULL / (8U << 20);
  set_count(table, count);
  for (std::uint64_t i = 0; i < count; i += count / 8) table[i].failures = 1;
  table[count - 1].failures = 2;
  EXPECT_LT(allocated_bytes() - before, 2U << 20);
  EXPECT_EQ(table[count / 8].failures, 1U);
  EXPECT_EQ(table[count - 1].failures, 2U);
}

// Both looked up a chunk of the group at the same time: they are to see the same entry.
TEST(ChunkTableTest, TwoThreadsMakeOneGroup) {
  constexpr std::uint64_t kCount = 64 * 300;
  ChunkTable table;
  set_count(table, kCount);
  std::barrier<> together(2);
  std::vector<ChunkSlot*> seen[2];
  const auto look_up = [&](int thread) {
    for (std::uint64_t i = 1; i < kCount; i += 64) {
      together.arrive_and_wait();
      seen[thread].push_back(&table[i]);
    }
  };
  std::thread other(look_up, 1);
  look_up(0);
  other.join();
  EXPECT_EQ(seen[0], seen[1]);
}

}  // namespace
}  // namespace ossmc
