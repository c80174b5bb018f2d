#include "memory/budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace ossmc {
namespace {

TEST(Budget, GivesToTheLastByteAndNoMore) {
  Budget budget(100);
  EXPECT_TRUE(budget.try_reserve(60));
  EXPECT_FALSE(budget.try_reserve(41));
  EXPECT_TRUE(budget.try_reserve(40));
  EXPECT_EQ(budget.used_bytes(), 100u);
  EXPECT_EQ(budget.free_bytes(), 0u);
  EXPECT_TRUE(budget.try_reserve(0));
  EXPECT_FALSE(budget.try_reserve(1));
  budget.release(60);
  EXPECT_EQ(budget.used_bytes(), 40u);
  EXPECT_EQ(budget.peak_bytes(), 100u);
}

TEST(Budget, KeepsAReserveFree) {
  Budget budget(100);
  EXPECT_FALSE(budget.try_reserve(91, 10));
  EXPECT_TRUE(budget.try_reserve(90, 10));
  EXPECT_FALSE(budget.try_reserve(1, 10));
  EXPECT_TRUE(budget.try_reserve(10));
}

TEST(Budget, HugeRequestsDoNotOverflow) {
  Budget budget(100);
  EXPECT_TRUE(budget.try_reserve(10));
  EXPECT_FALSE(budget.try_reserve(UINT64_MAX));
  EXPECT_FALSE(budget.try_reserve(UINT64_MAX - 5));
  EXPECT_FALSE(budget.try_reserve(1, UINT64_MAX));
  EXPECT_EQ(budget.used_bytes(), 10u);
  Budget all(UINT64_MAX);
  EXPECT_TRUE(all.try_reserve(UINT64_MAX));
  EXPECT_FALSE(all.try_reserve(1));
}

TEST(Budget, ThreadsNeverPassTheLimitAndLoseNothing) {
  const auto budget = std::make_shared<Budget>(1000);
  std::atomic<std::uint64_t> held{0};
  std::atomic<bool> passed{false};
  std::atomic<int> taken{0};
  {
    std::vector<std::jthread> threads;
    for (unsigned seed = 0; seed < 4; ++seed) {
      threads.emplace_back([&, seed] {
        std::mt19937 random(seed);
        for (int i = 0; i < 20'000; ++i) {
          const std::uint64_t bytes = random() % 400;
          Ticket ticket = Ticket::try_take(budget, bytes, random() % 50);
          if (!ticket) continue;
          taken.fetch_add(1);
          // `held` is raised after the budget and lowered before it, so it may not pass the limit
          // either.
          if (held.fetch_add(bytes) + bytes > 1000) passed = true;
          const std::uint64_t less = bytes / 2;
          held.fetch_sub(bytes);
          ticket.shrink_to(less);
          if (budget->used_bytes() > 1000) passed = true;
        }
      });
    }
  }
  EXPECT_FALSE(passed.load());
  EXPECT_GT(taken.load(), 0);
  EXPECT_EQ(budget->used_bytes(), 0u);
  EXPECT_LE(budget->peak_bytes(), 1000u);
  EXPECT_GT(budget->peak_bytes(), 0u);
}

TEST(Ticket, GivesBackOnDestruction) {
  const auto budget = std::make_shared<Budget>(100);
  {
    const Ticket ticket = Ticket::try_take(budget, 70);
    EXPECT_TRUE(ticket);
    EXPECT_EQ(ticket.bytes(), 70u);
    EXPECT_EQ(budget->used_bytes(), 70u);
    EXPECT_FALSE(Ticket::try_take(budget, 31));
    EXPECT_FALSE(Ticket::try_take(budget, 30, 1));
  }
  EXPECT_EQ(budget->used_bytes(), 0u);
}

TEST(Ticket, MovesWithoutCountingTwice) {
  const auto budget = std::make_shared<Budget>(100);
  Ticket a = Ticket::try_take(budget, 10);
  Ticket b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): what is left of it is promised
  EXPECT_EQ(a.bytes(), 0u);
  Ticket c = Ticket::try_take(budget, 20);
  c = std::move(b);  // gives back its 20
  EXPECT_EQ(budget->used_bytes(), 10u);
  c.reset();
  c.reset();
  EXPECT_EQ(budget->used_bytes(), 0u);
}

TEST(Ticket, ShrinksAndAbsorbs) {
  const auto budget = std::make_shared<Budget>(100);
  Ticket a = Ticket::try_take(budget, 50);
  a.shrink_to(20);
  EXPECT_EQ(budget->used_bytes(), 20u);
  Ticket sum;
  sum.absorb(std::move(a));
  sum.absorb(Ticket::try_take(budget, 30));
  sum.absorb(Ticket());
  EXPECT_EQ(sum.bytes(), 50u);
  EXPECT_EQ(budget->used_bytes(), 50u);
  sum.shrink_to(0);
  EXPECT_TRUE(sum);
  EXPECT_EQ(budget->used_bytes(), 0u);
}

TEST(Ticket, KeepsTheBudgetAlive) {
  auto budget = std::make_shared<Budget>(100);
  const std::weak_ptr<Budget> watch = budget;
  Ticket ticket = Ticket::try_take(std::move(budget), 1);
  EXPECT_FALSE(watch.expired());
  ticket.reset();
  EXPECT_TRUE(watch.expired());
}

TEST(Budget, ALimitThatIsLoweredBelowWhatIsUsedLeavesNothingFree) {
  const auto budget = std::make_shared<Budget>(100);
  Ticket ticket = Ticket::try_take(budget, 80);
  budget->set_limit(50);
  EXPECT_EQ(budget->limit_bytes(), 50u);
  EXPECT_EQ(budget->free_bytes(), 0u);
  EXPECT_FALSE(Ticket::try_take(budget, 1));
  ticket.shrink_to(20);
  EXPECT_EQ(budget->free_bytes(), 30u);
  EXPECT_FALSE(Ticket::try_take(budget, 31));
  EXPECT_TRUE(Ticket::try_take(budget, 30));
  budget->set_limit(1000);
  EXPECT_EQ(budget->limit_bytes(), 100u) << "more than it was made with there never is";
}

}  // namespace
}  // namespace ossmc
