#include "memory/page_pool.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "memory/mapping.h"
#include "support/csrc/fake_clock.h"
#include "support/csrc/pattern.h"
#include "support/csrc/resident.h"

namespace ossmc {
namespace {

class PagePoolTest : public testing::Test {
 protected:
  std::shared_ptr<PagePool> make(std::size_t slot_bytes, std::size_t keep_bytes = 64 * kMiB) {
    PagePool::Options options;
    options.slot_bytes = slot_bytes;
    options.keep_bytes = keep_bytes;
    options.idle_limit = std::chrono::seconds(10);
    return PagePool::make(options, clock_);
  }

  FakeClock clock_;
};

TEST_F(PagePoolTest, FullSlotsOfLargeChunksAreHugePageAligned) {
  for (const std::size_t slot : {2 * kMiB, 8 * kMiB, 2 * kMiB + 1, 5 * kMiB - 3}) {
    const auto pool = make(slot);
    Block block = pool->take(slot);
    ASSERT_TRUE(block);
    EXPECT_GE(block.size(), slot);
    EXPECT_LT(block.size(), slot + page_bytes());
    if (block.size() >= huge_page_bytes()) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block.data()) % huge_page_bytes(), 0u);
    }
    EXPECT_TRUE(block.is_movable());
    fill_pattern(block.data(), 1, 0, slot);
    EXPECT_TRUE(matches_pattern(block.data(), 1, 0, slot));
  }
}

TEST_F(PagePoolTest, NewMemoryGetsItsPagesAsItIsWrittenAndUsedMemoryHasThem) {
  if (!can_populate()) GTEST_SKIP() << "this kernel makes pages when they are written";
  constexpr std::size_t kSlot = 8 * kMiB;
  const auto pool = make(kSlot);
  Block block = pool->take(kSlot);
  std::byte* const data = block.data();
  const auto made = [&] { return resident_pages(data, kSlot) * page_bytes(); };
  EXPECT_EQ(made(), 0u);
  block.prepare(1);
  const std::size_t slice = made();
  EXPECT_GT(slice, 0u);
  EXPECT_LT(slice, kSlot);
  Block moved = std::move(block);
  moved.prepare(kSlot);
  EXPECT_EQ(made(), kSlot);
  moved = Block();
  moved = pool->take(kSlot);
  EXPECT_EQ(moved.data(), data) << "used again, with its pages";
  moved.prepare(kSlot);
  EXPECT_EQ(made(), kSlot);
  Block part = pool->take(600 * kKiB + 1);
  ASSERT_EQ(part.size(), 640 * kKiB);
  part.prepare(600 * kKiB + 1);
  EXPECT_EQ(resident_pages(part.data(), part.size()), 600 * kKiB / page_bytes() + 1);
  Block small = pool->take(100);  // out of malloc
  small.prepare(100);
}

TEST_F(PagePoolTest, EverySlotSizeServesEveryLength) {
  std::mt19937_64 random(3);
  for (const std::size_t slot : {std::size_t{1}, kKiB, 100 * kKiB, 256 * kKiB - 1, 256 * kKiB,
                                 512 * kKiB - 1, 512 * kKiB, 512 * kKiB - 70, kMiB, 3 * kMiB + 7}) {
    const auto pool = make(slot);
    std::vector<std::size_t> lengths = {0, 1, slot / 2, slot / 2 + 1, slot};
    for (int i = 0; i < 6; ++i) lengths.push_back(random() % (slot + 1));
    std::vector<Block> blocks;
    for (const std::size_t length : lengths) {
      Block block = pool->take(length);
      ASSERT_TRUE(block) << length << " of " << slot;
      ASSERT_GE(block.size(), length);
      EXPECT_EQ(block.size(), pool->block_bytes(length)) << length << " of " << slot;
      fill_pattern(block.data(), blocks.size(), 0, block.size());
      blocks.push_back(std::move(block));
    }
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      EXPECT_TRUE(matches_pattern(blocks[i].data(), i, 0, blocks[i].size()));
    }
  }
}

// What is left of an object of 12.2 MB behind its first 8 MiB held another 8 MiB, and after it had
// been used by a full chunk it had the pages too.
TEST_F(PagePoolTest, ATailOfMoreThanHalfASlotDoesNotHoldAWholeOne) {
  const auto pool = make(8 * kMiB);
  { const Block full = pool->take(8 * kMiB); }
  const std::size_t length = 8 * kMiB * 525 / 1000;
  const Block tail = pool->take(length);
  EXPECT_GE(tail.size(), length);
  EXPECT_LE(tail.size(), length + length / 8);
  EXPECT_EQ(pool->mapped_free_bytes(), 8 * kMiB) << "the slot is left to a full chunk";
}

TEST_F(PagePoolTest, TheWarmestSlotIsUsedAgainFirst) {
  const auto pool = make(2 * kMiB);
  Block a = pool->take(2 * kMiB);
  Block b = pool->take(2 * kMiB);
  std::byte* const first = a.data();
  std::byte* const second = b.data();
  a = Block();
  b = Block();
  EXPECT_EQ(pool->mapped_free_bytes(), 4 * kMiB);
  const Block c = pool->take(2 * kMiB - 1);
  const Block d = pool->take(2 * kMiB - 127 * kKiB);
  EXPECT_EQ(c.data(), second);
  EXPECT_EQ(d.data(), first);
  EXPECT_EQ(pool->mapped_free_bytes(), 0u);
}

TEST_F(PagePoolTest, BuffersToMeasureAreUsedAgainByTheirSize) {
  const auto pool = make(8 * kMiB);
  std::byte* first = nullptr;
  {
    const Block a = pool->take(kMiB);
    first = a.data();
  }
  const Block other = pool->take(2 * kMiB);
  EXPECT_NE(other.data(), first);
  const Block again =
      pool->take(kMiB - 100);  // the same of the eight sizes between 512 KiB and 1 MiB
  EXPECT_EQ(again.data(), first);
}

TEST_F(PagePoolTest, KeepsNoMoreThanAsked) {
  const auto pool = make(2 * kMiB, 4 * kMiB);
  std::vector<Block> blocks;
  for (int i = 0; i < 5; ++i) blocks.push_back(pool->take(2 * kMiB));
  blocks.clear();
  EXPECT_EQ(pool->mapped_free_bytes(), 4 * kMiB);
}

TEST_F(PagePoolTest, TrimGivesBackWhatIsIdleAndKeepsWhatIsNot) {
  const auto pool = make(2 * kMiB);
  Block a = pool->take(2 * kMiB);
  Block b = pool->take(kMiB);
  std::byte* const cold = b.data();
  b = Block();
  clock_.advance(std::chrono::seconds(6));
  a = Block();
  EXPECT_EQ(pool->mapped_free_bytes(), 3 * kMiB);
  pool->trim();
  EXPECT_EQ(pool->mapped_free_bytes(), 3 * kMiB);
  clock_.advance(std::chrono::seconds(4));
  EXPECT_TRUE(is_mapped(cold, kMiB));
  pool->trim();
  EXPECT_EQ(pool->mapped_free_bytes(), 2 * kMiB);
  EXPECT_FALSE(is_mapped(cold, kMiB));
  clock_.advance(std::chrono::seconds(6));
  pool->trim();
  EXPECT_EQ(pool->mapped_free_bytes(), 0u);
  pool->trim();
}

TEST_F(PagePoolTest, ASlotInSteadyUseOutlivesTheIdleLimit) {
  const auto pool = make(2 * kMiB);
  std::byte* const data = pool->take(2 * kMiB).data();
  for (int i = 0; i < 5; ++i) {
    clock_.advance(std::chrono::seconds(9));
    pool->trim();
    EXPECT_EQ(pool->take(2 * kMiB).data(), data);
  }
}

TEST_F(PagePoolTest, IdleBuffersGoAtOnceWhenOthersNeedTheMemory) {
  const auto pool = make(2 * kMiB);
  { const Block freed = pool->take(2 * kMiB); }
  EXPECT_EQ(pool->mapped_free_bytes(), 2 * kMiB);
  pool->release_idle();
  EXPECT_EQ(pool->mapped_free_bytes(), 0u);
  { const Block freed = pool->take(2 * kMiB); }
  EXPECT_EQ(pool->mapped_free_bytes(), 2 * kMiB) << "from now on they are kept as before";
}

TEST_F(PagePoolTest, FreshMemoryIsToldOfBeforeItIsMapped) {
  class Sum final : public FreshMemory {
   public:
    void on_fresh(std::size_t bytes) noexcept override { sum += bytes; }
    std::size_t sum = 0;
  } fresh;
  const auto pool = PagePool::make({.slot_bytes = 2 * kMiB, .fresh = &fresh}, clock_);
  { const Block block = pool->take(2 * kMiB); }
  EXPECT_EQ(fresh.sum, 2 * kMiB);
  { const Block again = pool->take(2 * kMiB); }
  EXPECT_EQ(fresh.sum, 2 * kMiB) << "it was there";
}

TEST_F(PagePoolTest, AfterRetireNothingIsKept) {
  const auto pool = make(2 * kMiB);
  Block held = pool->take(2 * kMiB);
  { const Block freed = pool->take(2 * kMiB); }
  EXPECT_EQ(pool->mapped_free_bytes(), 2 * kMiB);
  pool->retire();
  EXPECT_EQ(pool->mapped_free_bytes(), 0u);
  std::memset(held.data(), 1, held.size());  // what is in use stays
  std::byte* const data = held.data();
  held = Block();
  EXPECT_EQ(pool->mapped_free_bytes(), 0u);
  EXPECT_FALSE(is_mapped(data, 2 * kMiB));
  EXPECT_TRUE(pool->take(2 * kMiB));
}

TEST_F(PagePoolTest, RetireGivesTheMemoryBackToTheSystem) {
  if (!kResidentIsMeaningful) GTEST_SKIP();
  constexpr std::size_t kTotal = 64 * kMiB;
  for (const std::size_t slot : {8 * kMiB, kMiB, 256 * kKiB}) {
    const auto pool = make(slot, kTotal);
    const std::size_t before = resident_bytes();
    std::vector<Block> blocks;
    for (std::size_t i = 0; i < kTotal / slot; ++i) {
      blocks.push_back(pool->take(slot));
      std::memset(blocks.back().data(), 1, slot);
    }
    blocks.clear();
    EXPECT_GE(resident_bytes(), before + kTotal * 9 / 10) << "warm pages are kept";
    pool->retire();
    EXPECT_LE(resident_bytes(), before + kTotal / 10);
  }
}

TEST_F(PagePoolTest, BlocksHoldThePoolAndTheLastOneEndsIt) {
  auto pool = make(2 * kMiB);
  const std::weak_ptr<PagePool> watch = pool;
  Block block = pool->take(2 * kMiB);
  pool.reset();
  EXPECT_FALSE(watch.expired());
  std::byte* const data = block.data();
  Block moved = std::move(block);
  EXPECT_FALSE(block);  // NOLINT(bugprone-use-after-move): what is left of it is promised
  EXPECT_EQ(moved.data(), data);
  moved = Block();
  EXPECT_TRUE(watch.expired());
  EXPECT_FALSE(is_mapped(data, 2 * kMiB));
}

TEST_F(PagePoolTest, AForkedChildMayDropItsBlocksAndThePool) {
  auto pool = make(2 * kMiB);
  Block block = pool->take(2 * kMiB);
  { const Block idle = pool->take(2 * kMiB); }
  std::byte* const data = block.data();
  std::memset(data, 7, 2 * kMiB);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool hidden = !is_mapped(data, 2 * kMiB);
    // Somebody else may live at the address by now; dropping the block shall leave it alone.
    void* tenant = ::mmap(data, 4096, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    block = Block();
    pool->trim();
    pool->retire();
    pool.reset();
    const bool left_alone = tenant == MAP_FAILED || is_mapped(data, 4096);
    ::_exit(hidden && left_alone ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(data[2 * kMiB - 1], std::byte{7});
}

TEST_F(PagePoolTest, ManyThreadsNeverShareABlock) {
  const auto pool = make(256 * kKiB, 2 * kMiB);
  std::atomic<bool> torn{false};
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      threads.emplace_back([&, seed] {
        std::mt19937_64 random(seed);
        std::vector<std::pair<Block, std::uint64_t>> held;
        for (int i = 0; i < 3000; ++i) {
          if (held.size() < 4 && random() % 2 == 0) {
            Block block = pool->take(1 + random() % (256 * kKiB));
            const std::uint64_t mark = random();
            std::memcpy(block.data(), &mark, std::min<std::size_t>(block.size(), 8));
            held.emplace_back(std::move(block), mark);
          } else if (!held.empty()) {
            auto& [block, mark] = held.back();
            if (std::memcmp(block.data(), &mark, 8) != 0) torn = true;
            held.pop_back();
          }
          if (i % 100 == 0) {
            clock_.advance(std::chrono::seconds(3));
            pool->trim();
          }
        }
      });
    }
  }
  EXPECT_FALSE(torn.load());
  EXPECT_LE(pool->mapped_free_bytes(), 2 * kMiB);
}

}  // namespace
}  // namespace ossmc
