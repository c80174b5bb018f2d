#include "memory/chunk.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/crc64.h"
#include "memory/mapping.h"
#include "support/csrc/fake_clock.h"
#include "support/csrc/pattern.h"
#include "support/csrc/resident.h"

namespace ossmc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ChunkTest : public testing::Test {
 protected:
  void begin(std::uint32_t length) {
    chunk_.begin_fill(pool_->take(length), Ticket::try_take(budget_, length), length);
  }
  void append(std::uint32_t size, bool with_crc = true) {
    const std::string bytes = pattern_string(1, chunk_.writer_filled(), size);
    chunk_.append(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), with_crc);
  }
  void fill(std::uint32_t length) {
    begin(length);
    append(length);
    chunk_.finish();
  }
  bool take() { return chunk_.try_take_block(&block_, &ticket_); }
  ChunkPhase phase() const { return chunk_.view().phase; }

  FakeClock clock_;
  std::shared_ptr<PagePool> pool_ = PagePool::make({}, clock_);
  std::shared_ptr<Budget> budget_ = std::make_shared<Budget>(64u << 20);
  Chunk chunk_;
  Block block_;
  Ticket ticket_;
};

TEST_F(ChunkTest, StartsAbsentAndGivesNothing) {
  EXPECT_EQ(phase(), ChunkPhase::kAbsent);
  EXPECT_FALSE(chunk_.try_pin(1));
  EXPECT_FALSE(take());
  EXPECT_FALSE(chunk_.try_begin_move(&block_, &ticket_));
}

TEST_F(ChunkTest, PinsOnlyWhatIsPublished) {
  begin(100);
  EXPECT_EQ(phase(), ChunkPhase::kFilling);
  EXPECT_EQ(chunk_.length(), 100u);
  EXPECT_FALSE(chunk_.try_pin(1));
  append(40);
  EXPECT_EQ(chunk_.view().filled, 40u);
  EXPECT_EQ(chunk_.writer_filled(), 40u);
  EXPECT_EQ(chunk_.writer_room(), 60u);
  EXPECT_FALSE(chunk_.try_pin(41));
  ASSERT_TRUE(chunk_.try_pin(40));
  EXPECT_EQ(chunk_.view().pins, 1u);
  EXPECT_TRUE(matches_pattern(chunk_.data(), 1, 0, 40));
  append(60);
  chunk_.finish();
  EXPECT_EQ(phase(), ChunkPhase::kReady);
  EXPECT_EQ(chunk_.view().pins, 1u);
  EXPECT_FALSE(chunk_.try_pin(101));
  ASSERT_TRUE(chunk_.try_pin(100));
  EXPECT_TRUE(matches_pattern(chunk_.data(), 1, 0, 100));
  chunk_.unpin();
  chunk_.unpin();
  EXPECT_EQ(chunk_.view().pins, 0u);
}

TEST_F(ChunkTest, ARefillingChunkGivesNothingBeforeItsEnd) {
  for (const bool ends_well : {true, false}) {
    chunk_.begin_fill(pool_->take(100), Ticket::try_take(budget_, 100), 100, /*hidden=*/true);
    EXPECT_EQ(phase(), ChunkPhase::kRefilling);
    append(100);
    EXPECT_EQ(chunk_.view().filled, 100u);  // progress shows
    EXPECT_FALSE(chunk_.try_pin(1));
    EXPECT_FALSE(take());
    if (ends_well) {
      chunk_.finish();
      ASSERT_TRUE(chunk_.try_pin(100));
      chunk_.unpin();
    } else {
      chunk_.fail();
      EXPECT_FALSE(chunk_.try_pin(1));
    }
    ASSERT_TRUE(take());
  }
}

TEST_F(ChunkTest, ARefillThatStartsAnewForgetsWhatItHad) {
  chunk_.begin_fill(pool_->take(100), Ticket::try_take(budget_, 100), 100, /*hidden=*/true);
  append(60);
  chunk_.restart();
  EXPECT_EQ(phase(), ChunkPhase::kRefilling);
  EXPECT_EQ(chunk_.view().filled, 0u);
  EXPECT_EQ(chunk_.writer_room(), 100u);
  EXPECT_EQ(chunk_.writer_crc(), 0u);
  append(100);
  chunk_.finish();
  ASSERT_TRUE(chunk_.try_pin(100));
  EXPECT_TRUE(matches_pattern(chunk_.data(), 1, 0, 100));
  chunk_.unpin();
}

TEST_F(ChunkTest, PagesAreMadeAsItIsFilled) {
  constexpr std::uint32_t kSize = 6u << 20;
  constexpr std::uint32_t kPart = 2u << 20;
  const auto pool = PagePool::make({.slot_bytes = kSize}, clock_);
  Block block = pool->take(kSize);
  std::byte* const data = block.data();
  const auto made = [&] { return resident_pages(data, kSize) * page_bytes(); };
  EXPECT_EQ(made(), 0u);
  chunk_.begin_fill(std::move(block), Ticket(), kSize);
  append(kPart - 10);
  if (made() < kPart) GTEST_SKIP() << "this kernel makes pages when they are written";
  EXPECT_EQ(made(), kPart);
  append(20);  // not one page, as a write alone would make, nor all
  EXPECT_EQ(made(), 2 * kPart);
  append(kSize - kPart - 10);
  EXPECT_EQ(made(), kSize);
  chunk_.finish();
  ASSERT_TRUE(chunk_.try_pin(kSize));
  EXPECT_TRUE(matches_pattern(chunk_.data(), 1, 0, kSize));
  chunk_.unpin();
}

TEST_F(ChunkTest, PagesOfAViewsRegionAreMadeAsItIsFilled) {
  constexpr std::uint32_t kSize = 4u << 20;
  std::byte* const data = map_memory(kSize);
  ASSERT_NE(data, nullptr);
  const auto made = [&] { return resident_pages(data, kSize) * page_bytes(); };
  {
    Chunk chunk;
    chunk.begin_fill_at(data, kSize);
    const std::string bytes = pattern_string(1, 0, kSize);
    chunk.append(reinterpret_cast<const std::byte*>(bytes.data()), 10, true);
    if (made() > page_bytes()) {  // else this kernel makes pages when they are written
      EXPECT_EQ(made(), 2u << 20);
    }
    chunk.append(reinterpret_cast<const std::byte*>(bytes.data()) + 10, kSize - 10, true);
    chunk.finish();
  }
  EXPECT_EQ(made(), kSize);
  EXPECT_TRUE(matches_pattern(data, 1, 0, kSize));
  unmap_memory(data, kSize);
}

TEST_F(ChunkTest, MemoryIsTakenOnlyWhenNobodyIsPinned) {
  fill(5000);
  ASSERT_TRUE(chunk_.try_pin(1));
  EXPECT_FALSE(take());
  EXPECT_FALSE(chunk_.try_begin_move(&block_, &ticket_));
  chunk_.unpin();
  ASSERT_TRUE(take());
  EXPECT_EQ(phase(), ChunkPhase::kAbsent);
  EXPECT_EQ(chunk_.view().filled, 0u);
  EXPECT_TRUE(block_);
  EXPECT_EQ(ticket_.bytes(), 5000u);
  EXPECT_FALSE(chunk_.try_pin(1));
  EXPECT_FALSE(take());
  fill(5000);
  EXPECT_TRUE(chunk_.try_pin(5000));
  chunk_.unpin();
}

TEST_F(ChunkTest, AFillingChunkIsNotTaken) {
  begin(10);
  append(10);
  EXPECT_FALSE(take());
  chunk_.finish();
  EXPECT_TRUE(take());
}

TEST_F(ChunkTest, AFailedChunkGivesNoNewPinsAndKeepsTheOld) {
  begin(10);
  append(4);
  ASSERT_TRUE(chunk_.try_pin(4));
  chunk_.fail();
  EXPECT_EQ(phase(), ChunkPhase::kFailed);
  EXPECT_FALSE(chunk_.try_pin(4));
  EXPECT_FALSE(take());
  EXPECT_TRUE(matches_pattern(chunk_.data(), 1, 0, 4));
  chunk_.unpin();
  EXPECT_TRUE(take());
  EXPECT_EQ(phase(), ChunkPhase::kAbsent);
}

TEST_F(ChunkTest, KnowsItsCrcWhateverThePieces) {
  begin(1000);
  for (const std::uint32_t size : {1u, 0u, 499u, 300u, 200u}) append(size);
  chunk_.finish();
  const std::string bytes = pattern_string(1, 0, 1000);
  EXPECT_EQ(chunk_.writer_crc(), crc64_update(0, bytes.data(), bytes.size()));

  // A refill begins anew.
  ASSERT_TRUE(take());
  begin(1000);
  EXPECT_EQ(chunk_.writer_crc(), 0u);
  append(1000);
  chunk_.finish();
  EXPECT_EQ(chunk_.writer_crc(), crc64_update(0, bytes.data(), bytes.size()));
}

TEST_F(ChunkTest, ShrinksIntoASmallerBlockAndTicket) {
  begin(8u << 20);
  EXPECT_EQ(budget_->used_bytes(), 8u << 20);
  chunk_.shrink(pool_->take(1000), 1000);
  EXPECT_EQ(chunk_.length(), 1000u);
  EXPECT_EQ(budget_->used_bytes(), pool_->block_bytes(1000));
  EXPECT_EQ(pool_->mapped_free_bytes(), 8u << 20);  // the slot is free again
  append(1000);
  chunk_.finish();
  ASSERT_TRUE(take());
  EXPECT_LT(block_.size(), 4096u);
}

TEST_F(ChunkTest, ShrinksInPlace) {
  begin(10'000);
  const std::byte* const data = chunk_.data();
  chunk_.shrink(Block(), 6000);
  EXPECT_EQ(chunk_.data(), data);
  EXPECT_EQ(chunk_.writer_room(), 6000u);
  EXPECT_EQ(budget_->used_bytes(), 10'000u);  // its memory is as large as before
  chunk_.shrink(Block(), 0);
  chunk_.finish();
  EXPECT_EQ(phase(), ChunkPhase::kReady);
}

TEST_F(ChunkTest, FillsMemoryOfAnother) {
  std::vector<std::byte> home(100);
  chunk_.begin_fill_at(home.data(), 100);
  append(100);
  chunk_.finish();
  EXPECT_TRUE(matches_pattern(home.data(), 1, 0, 100));
  ASSERT_TRUE(chunk_.try_begin_move(&block_, &ticket_));
  EXPECT_FALSE(block_);
  chunk_.finish_move(home.data());
  ASSERT_TRUE(take());
  EXPECT_FALSE(block_);
  EXPECT_FALSE(ticket_);
}

TEST_F(ChunkTest, MovesAndIsReadyThere) {
  fill(5000);
  ASSERT_TRUE(chunk_.try_begin_move(&block_, &ticket_));
  EXPECT_EQ(phase(), ChunkPhase::kMoving);
  EXPECT_EQ(ticket_.bytes(), 5000u);
  EXPECT_FALSE(chunk_.try_pin(1));
  Block none;
  Ticket nothing;
  EXPECT_FALSE(chunk_.try_take_block(&none, &nothing));
  EXPECT_FALSE(chunk_.try_begin_move(&none, &nothing));
  std::vector<std::byte> home(5000);
  std::move(block_).move_pages_to(home.data(), 5000);
  chunk_.finish_move(home.data());
  EXPECT_EQ(phase(), ChunkPhase::kReady);
  ASSERT_TRUE(chunk_.try_pin(5000));
  EXPECT_EQ(chunk_.data(), home.data());
  EXPECT_TRUE(matches_pattern(chunk_.data(), 1, 0, 5000));
  chunk_.unpin();
}

TEST_F(ChunkTest, RemembersTheHullOfWhatWasHandedOut) {
  fill(100);
  EXPECT_FALSE(chunk_.mark_handed_out(50, 50));
  EXPECT_FALSE(chunk_.mark_handed_out(40, 60));
  EXPECT_FALSE(chunk_.mark_handed_out(0, 10));  // now [0, 60)
  EXPECT_FALSE(chunk_.mark_handed_out(10, 40));
  EXPECT_FALSE(chunk_.handed_out_whole());
  EXPECT_TRUE(chunk_.mark_handed_out(60, 100));
  EXPECT_TRUE(chunk_.handed_out_whole());
  EXPECT_FALSE(chunk_.mark_handed_out(0, 100)) << "told once";
}

TEST_F(ChunkTest, WaitReturnsAtOnceWhenThereIsNothingToWaitFor) {
  const TimePoint start = system_clock().now();
  begin(100);
  append(50);
  chunk_.wait(50, seconds(60));
  append(50);
  chunk_.finish();
  chunk_.wait(100, seconds(60));
  chunk_.wait(101, seconds(60));  // never to come: the caller finds out
  ASSERT_TRUE(take());
  begin(100);
  chunk_.fail();
  chunk_.wait(1, seconds(60));
  EXPECT_LT(system_clock().now() - start, seconds(30));
}

TEST_F(ChunkTest, WaitEndsAtItsLimit) {
  const TimePoint start = system_clock().now();
  chunk_.wait(1, milliseconds(2));  // absent: queued, perhaps
  begin(100);
  chunk_.wait(1, milliseconds(2));
  EXPECT_LT(system_clock().now() - start, seconds(30));
}

// What every reader does: look, wait, look again. Returns the number of waits.
int wait_for(Chunk& chunk, std::uint32_t end) {
  int waits = 0;
  while (!chunk.try_pin(end) && chunk.view().phase != ChunkPhase::kFailed) {
    chunk.wait(end, seconds(60));
    ++waits;
  }
  return waits;
}

TEST_F(ChunkTest, AWaiterIsWokenByTheBytesItNeedsFromAbsentOn) {
  const TimePoint start = system_clock().now();
  std::jthread small([this] { wait_for(chunk_, 10); });
  std::jthread large([this] { wait_for(chunk_, 1000); });
  begin(1000);
  for (int i = 0; i < 100; ++i) append(10);
  chunk_.finish();
  small.join();
  large.join();
  EXPECT_EQ(chunk_.view().pins, 2u);
  EXPECT_LT(system_clock().now() - start, seconds(30));
}

TEST_F(ChunkTest, AWaiterIsWokenByFailure) {
  const TimePoint start = system_clock().now();
  begin(1000);
  std::jthread reader([this] { wait_for(chunk_, 1000); });
  append(10);
  chunk_.fail();
  reader.join();
  EXPECT_LT(system_clock().now() - start, seconds(30));
}

TEST_F(ChunkTest, AWaiterIsWokenByTheEndOfAMove) {
  const TimePoint start = system_clock().now();
  fill(1000);
  ASSERT_TRUE(chunk_.try_begin_move(&block_, &ticket_));
  std::jthread reader([this] { wait_for(chunk_, 1000); });
  chunk_.finish_move(block_.data());
  reader.join();
  EXPECT_LT(system_clock().now() - start, seconds(30));
}

TEST_F(ChunkTest, NotifyWakesAllToLookAgain) {
  std::atomic<bool> closed{false};
  const TimePoint start = system_clock().now();
  std::vector<std::jthread> readers;
  for (std::uint32_t end = 1; end <= 3; ++end) {
    readers.emplace_back([&, end] {
      while (!closed.load()) chunk_.wait(end, milliseconds(500));
    });
  }
  closed = true;
  chunk_.notify();
  readers.clear();
  EXPECT_LT(system_clock().now() - start, seconds(30));
}

}  // namespace
}  // namespace ossmc
