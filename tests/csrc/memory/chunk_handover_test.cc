// The hand-over under real threads: whatever the interleaving, a pinned reader sees the bytes of
// one fill, whole.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "memory/chunk.h"
#include "support/csrc/fake_clock.h"
#include "support/csrc/pattern.h"

namespace ossmc {
namespace {

using std::chrono::milliseconds;

// For a second, since what a machine gets done in it differs a hundredfold; but not less than some.
constexpr auto kStressTime = std::chrono::seconds(1);
constexpr std::uint64_t kMinFills = 20;
constexpr std::uint32_t kLength = 24 * 1024;

// One word more than the chunk: which fill's bytes a pinned reader has to find. The writer changes
// it only between fills, when nobody is pinned, and the chunk's own protocol must make it visible:
// it is a plain variable on purpose, so that TSan reports a missing order.
struct Shared {
  Chunk chunk;
  std::uint64_t generation = 0;
  // Raised when the evictor found no moment without a pin: readers stay away then. Mostly it finds
  // one.
  std::atomic<bool> stay_away{false};
  std::atomic<bool> done{false};
  std::atomic<bool> torn{false};
  std::atomic<std::uint64_t> reads{0};
};

void read_until_done(Shared& shared, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  while (!shared.done.load(std::memory_order_relaxed)) {
    const auto end = static_cast<std::uint32_t>(1 + random() % kLength);
    const auto begin = static_cast<std::uint32_t>(random() % end);
    if (shared.stay_away.load(std::memory_order_relaxed)) {
      std::this_thread::yield();
      continue;
    }
    if (!shared.chunk.try_pin(end)) {
      shared.chunk.wait(end, milliseconds(20));
      continue;
    }
    const std::uint32_t part = std::min<std::uint32_t>(end - begin, 1024);
    if (!matches_pattern(shared.chunk.data() + begin, shared.generation, begin, part))
      shared.torn = true;
    shared.chunk.mark_handed_out(begin, begin + part);
    shared.chunk.unpin();
    shared.reads.fetch_add(1, std::memory_order_relaxed);
  }
}

// Gives the others a moment, on their own cores. Not yield(): on a busy machine that is a time
// slice of everybody else.
void linger(std::uint64_t turns) {
  for (std::atomic<std::uint64_t> turn{0}; turn.load() < turns;) turn.fetch_add(1);
}

template <typename Try>
void insist(Shared& shared, Try attempt) {
  for (int tries = 0; !attempt(); ++tries) {
    if (tries < 50) {
      linger(100);
    } else {
      shared.stay_away.store(true, std::memory_order_relaxed);
      std::this_thread::yield();
    }
  }
  shared.stay_away.store(false, std::memory_order_relaxed);
}

// The I/O thread and the prefetch floor in one: fills, fails now and then, evicts, fills again with
// other bytes. Half of the fills move to another buffer when ready.
void fill_again_and_again(Shared& shared, const std::shared_ptr<PagePool>& pool) {
  std::mt19937_64 random(99);
  const auto budget = std::make_shared<Budget>(2 * kLength);
  std::vector<std::byte> bytes(kLength);
  std::vector<std::byte> home(kLength);
  const TimePoint start = system_clock().now();
  for (std::uint64_t fill = 1; fill <= kMinFills || system_clock().now() - start < kStressTime;
       ++fill) {
    shared.generation = fill;
    fill_pattern(bytes.data(), fill, 0, kLength);
    Ticket ticket = Ticket::try_take(budget, kLength);
    if (!ticket) shared.torn = true;  // a ticket was lost
    shared.chunk.begin_fill(pool->take(kLength), std::move(ticket), kLength);
    const bool fails = random() % 8 == 0;
    const std::uint32_t stop = fails ? static_cast<std::uint32_t>(random() % kLength) : kLength;
    while (shared.chunk.writer_filled() < stop) {
      if (random() % 4 == 0) linger(random() % 1000);
      const std::uint32_t at = shared.chunk.writer_filled();
      const auto size =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(stop - at, 1 + random() % 4096));
      shared.chunk.append(bytes.data() + at, size, random() % 2 == 0);
    }
    if (fails) {
      shared.chunk.fail();
    } else {
      shared.chunk.finish();
    }
    Block block;
    Ticket returned;
    if (!fails && random() % 2 == 0) {
      insist(shared, [&] { return shared.chunk.try_begin_move(&block, &returned); });
      std::move(block).move_pages_to(home.data(), kLength);
      shared.chunk.finish_move(home.data());
    }
    Block evicted;
    Ticket evicted_ticket;
    linger(random() % 5000);
    insist(shared, [&] { return shared.chunk.try_take_block(&evicted, &evicted_ticket); });
    // What was read of it is no more: a reader that still looked would find this.
    if (evicted) std::fill_n(evicted.data(), kLength, std::byte{0xEE});
    std::fill(home.begin(), home.end(), std::byte{0xEE});
  }
  if (budget->used_bytes() != 0) shared.torn = true;
}

TEST(ChunkHandover, ReadersNeverSeeATornOrForeignByte) {
  FakeClock clock;
  const auto pool = PagePool::make({}, clock);
  Shared shared;
  std::vector<std::jthread> readers;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    readers.emplace_back([&shared, seed] { read_until_done(shared, seed); });
  }
  fill_again_and_again(shared, pool);
  shared.done = true;
  shared.chunk.notify();
  readers.clear();
  EXPECT_FALSE(shared.torn.load());
  EXPECT_GT(shared.reads.load(), 0u);
  EXPECT_EQ(shared.chunk.view().pins, 0u);
}

// A wake-up lost even once in these hand-overs costs a minute, and the test its time limit.
TEST(ChunkHandover, NoWakeUpIsLost) {
  FakeClock clock;
  const auto pool = PagePool::make({}, clock);
  const auto budget = std::make_shared<Budget>(1u << 20);
  constexpr std::uint32_t kBytes = 64;
  Chunk chunk;
  std::atomic<int> arrived{0};
  std::atomic<int> round_now{0};
  std::atomic<bool> is_last{false};
  const auto reader = [&](std::uint32_t step) {
    for (int round = 0; !is_last.load(); ++round) {
      // In steps of its own, so that waiters of different needs meet in one entry.
      for (std::uint32_t end = step; end <= kBytes; end += step) {
        while (!chunk.try_pin(end)) chunk.wait(end, std::chrono::minutes(1));
        chunk.unpin();
      }
      arrived.fetch_add(1);
      while (round_now.load() == round) std::this_thread::yield();
    }
  };
  std::vector<std::jthread> readers;
  for (const std::uint32_t step : {1u, 8u, 64u}) readers.emplace_back(reader, step);
  const std::vector<std::byte> bytes(kBytes);
  const TimePoint start = system_clock().now();
  for (int round = 0; !is_last.load(); ++round) {
    chunk.begin_fill(pool->take(kBytes), Ticket::try_take(budget, kBytes), kBytes);
    for (std::uint32_t at = 0; at < kBytes; at += 16) chunk.append(bytes.data(), 16, false);
    chunk.finish();
    while (arrived.load() != 3 * (round + 1)) std::this_thread::yield();
    Block block;
    Ticket ticket;
    EXPECT_TRUE(chunk.try_take_block(&block, &ticket));
    is_last = system_clock().now() - start > kStressTime / 2;
    round_now.fetch_add(1);
  }
  readers.clear();
  EXPECT_LT(system_clock().now() - start, std::chrono::seconds(50));
}

}  // namespace
}  // namespace ossmc
