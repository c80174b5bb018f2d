#include "memory/shared_budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "memory/budget.h"
#include "support/csrc/fake_clock.h"

namespace ossmc {
namespace {

class CountingListener final : public SharedBudget::Listener {
 public:
  void on_memory_moved() noexcept override { ++calls; }
  std::atomic<int> calls{0};
};

class SharedBudgetTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kMiB = 1u << 20;

  // By one of those who share.
  struct Member {
    Member(std::shared_ptr<SharedBudget> shared, std::uint64_t least)
        : budget(std::make_shared<Budget>(std::move(shared), least)) {
      budget->set_listener(&listener);
    }
    ~Member() { budget->set_listener(nullptr); }
    // Gives up what is asked for.
    void give_up() {
      const std::uint64_t excess = budget->excess_bytes();
      held.shrink_to(held.bytes() - std::min(held.bytes(), excess));
      budget->set_consumed_bytes(std::min(consumed, held.bytes()));
      budget->tell_given_up();
    }
    void take(std::uint64_t bytes) { held.absorb(Ticket::try_take(budget, bytes)); }

    CountingListener listener;
    std::shared_ptr<Budget> budget;
    Ticket held;
    std::uint64_t consumed = 0;
  };
  std::unique_ptr<Member> member(std::uint64_t least = 0) {
    return std::make_unique<Member>(shared_, least);
  }

  FakeClock clock_;
  std::shared_ptr<SharedBudget> shared_ = std::make_shared<SharedBudget>(1000 * kMiB, clock_);
};

TEST_F(SharedBudgetTest, TheSumStaysWithinOneLimit) {
  const auto a = member();
  const auto b = member();
  a->take(600 * kMiB);
  EXPECT_FALSE(Ticket::try_take(b->budget, 401 * kMiB));
  EXPECT_EQ(b->budget->used_bytes(), 0U) << "what one of the two refused is taken from neither";
  EXPECT_FALSE(Ticket::try_take(b->budget, 400 * kMiB, 1));
  b->take(400 * kMiB);
  EXPECT_EQ(b->budget->used_bytes(), 400 * kMiB);
  EXPECT_EQ(shared_->used_bytes(), 1000 * kMiB);
  EXPECT_EQ(b->budget->free_bytes(), 0U);
  a->held.reset();
  EXPECT_EQ(b->budget->free_bytes(), 600 * kMiB);
  EXPECT_EQ(b->budget->limit_bytes(), 1000 * kMiB);
}

TEST_F(SharedBudgetTest, AnIdleMemberGivesWhatItHasReadToWhoLacksMemory) {
  const auto idle = member();
  const auto reads = member();
  idle->take(1000 * kMiB);
  idle->consumed = 1000 * kMiB;
  idle->budget->set_consumed_bytes(idle->consumed);
  for (int i = 0; i < 40; ++i) {
    reads->take(8 * kMiB);
    if (reads->held.bytes() >= static_cast<std::uint64_t>(i + 1) * 8 * kMiB) continue;
    reads->budget->note_lack(MemoryNeed::kRead, 8 * kMiB);
    const int calls = idle->listener.calls;
    clock_.advance(std::chrono::milliseconds(10));
    EXPECT_GT(reads->budget->tell_lack().count(), 0);
    EXPECT_EQ(reads->budget->tell_lack().count(), 0) << "it was said";
    EXPECT_EQ(idle->listener.calls, calls + 1);
    const int told = reads->listener.calls;
    idle->give_up();
    EXPECT_GT(reads->listener.calls, told) << "it waits for what was given up";
    reads->take(8 * kMiB);
  }
  EXPECT_EQ(reads->held.bytes(), 320 * kMiB);
}

TEST_F(SharedBudgetTest, WhoGaveUpMayHaveMoreOnceNobodyLacksAny) {
  const auto idle = member();
  const auto reads = member();
  idle->take(1000 * kMiB);
  reads->budget->note_lack(MemoryNeed::kRead, 8 * kMiB);
  reads->budget->tell_lack();
  idle->give_up();
  const std::uint64_t free = shared_->free_bytes();
  ASSERT_GT(free, 0U);
  EXPECT_FALSE(Ticket::try_take(idle->budget, 1)) << "it is for who lacks it";
  clock_.advance(std::chrono::milliseconds(101));
  shared_->set_limit(1000 * kMiB, 1000 * kMiB);
  EXPECT_TRUE(Ticket::try_take(idle->budget, free));
}

TEST_F(SharedBudgetTest, ALoweredLimitIsAskedOfThoseWhoHaveTheMost) {
  const auto large = member();
  const auto small = member();
  large->take(800 * kMiB);
  small->take(100 * kMiB);
  shared_->set_limit(500 * kMiB, 1000 * kMiB);
  EXPECT_EQ(large->listener.calls, 1);
  EXPECT_EQ(small->listener.calls, 0);
  EXPECT_EQ(shared_->free_bytes(), 0U);
  EXPECT_EQ(small->budget->free_bytes(), 0U) << "used may be above a lowered limit";
  EXPECT_FALSE(Ticket::try_take(small->budget, 1));
  large->give_up();
  EXPECT_LE(shared_->used_bytes(), 500 * kMiB);
  EXPECT_EQ(small->budget->excess_bytes(), 0U);
  EXPECT_EQ(large->budget->limit_bytes(), 500 * kMiB);
}

TEST_F(SharedBudgetTest, TheLimitLeavesEachSoMuchThatItCanGoOn) {
  shared_->set_limit(10 * kMiB, 10 * kMiB);
  const auto a = member(16 * kMiB);
  EXPECT_EQ(shared_->limit_bytes(), 32 * kMiB) << "two of what its reads need at least";
  const auto b = member(16 * kMiB);
  const auto c = member(16 * kMiB);
  EXPECT_EQ(shared_->limit_bytes(), 48 * kMiB);
  a->take(48 * kMiB);
  b->budget->note_lack(MemoryNeed::kRead, 8 * kMiB);
  b->budget->tell_lack();
  a->give_up();
  b->take(8 * kMiB);
  EXPECT_EQ(b->held.bytes(), 8 * kMiB);
  EXPECT_GE(a->held.bytes(), 16 * kMiB);
}

TEST_F(SharedBudgetTest, ViewsOfAllCount) {
  const auto a = member();
  auto b = member();
  a->budget->set_view_bytes(300);
  b->budget->set_view_bytes(200);
  EXPECT_EQ(a->budget->view_bytes(), 500U);
  b->budget->set_view_bytes(50);
  EXPECT_EQ(a->budget->view_bytes(), 350U);
  b = nullptr;
  EXPECT_EQ(a->budget->view_bytes(), 300U);
  Budget own(100);
  own.set_view_bytes(7);
  EXPECT_EQ(own.view_bytes(), 7U);
}

TEST_F(SharedBudgetTest, SaysWhetherOthersAreWhyMemoryLacks) {
  const auto a = member();
  const auto b = member();
  b->take(900 * kMiB);
  EXPECT_FALSE(a->budget->is_squeezed(200 * kMiB)) << "it lacks nothing";
  a->budget->note_lack(MemoryNeed::kAhead, 8 * kMiB);
  EXPECT_TRUE(a->budget->is_squeezed(200 * kMiB));
  EXPECT_FALSE(a->budget->is_squeezed(1001 * kMiB)) << "it could not alone";
  a->budget->tell_lack();
  EXPECT_FALSE(a->budget->is_squeezed(200 * kMiB));
  shared_->set_limit(100 * kMiB, 1000 * kMiB);
  a->budget->note_lack(MemoryNeed::kAhead, 8 * kMiB);
  EXPECT_TRUE(a->budget->is_squeezed(200 * kMiB)) << "it could, were the limit not lowered";
}

TEST_F(SharedBudgetTest, NobodyIsCalledOftenThoughMemoryIsWantedAllTheTime) {
  const auto idle = member();
  const auto reads = member();
  idle->take(1000 * kMiB);
  for (int i = 0; i < 100; ++i) {
    reads->budget->note_lack(MemoryNeed::kRead, 8 * kMiB);
    reads->budget->tell_lack();
    clock_.advance(std::chrono::microseconds(100));
  }
  EXPECT_LE(idle->listener.calls, 2);
}

// An idle connector whose own chunks fill the budget looked again a hundred times a second.
TEST_F(SharedBudgetTest, WhoHasAllOfItItselfHasNobodyToAsk) {
  const auto alone = member();
  const auto other = member();
  alone->take(1000 * kMiB);
  alone->budget->note_lack(MemoryNeed::kAhead, 8 * kMiB);
  EXPECT_EQ(alone->budget->tell_lack().count(), 0);
  alone->held.shrink_to(900 * kMiB);
  other->take(100 * kMiB);
  alone->budget->note_lack(MemoryNeed::kAhead, 8 * kMiB);
  EXPECT_GT(alone->budget->tell_lack().count(), 0);
}

TEST(Budget, OfItsOwnMayBeLoweredBelowWhatIsUsed) {
  const auto budget = std::make_shared<Budget>(100);
  Ticket ticket = Ticket::try_take(budget, 80);
  budget->set_limit(50);
  EXPECT_EQ(budget->limit_bytes(), 50U);
  EXPECT_EQ(budget->free_bytes(), 0U);
  EXPECT_EQ(budget->excess_bytes(), 30U);
  EXPECT_FALSE(budget->try_reserve(1));
  ticket.shrink_to(40);
  EXPECT_EQ(budget->free_bytes(), 10U);
  EXPECT_TRUE(Ticket::try_take(budget, 10));
  budget->note_lack(MemoryNeed::kRead, 1);
  EXPECT_EQ(budget->tell_lack().count(), 0) << "nobody shares it";
}

TEST_F(SharedBudgetTest, ListenersAreNotCalledOnceTheyHaveLeft) {
  const auto always = member();
  always->take(1000 * kMiB);
  std::atomic<bool> stop{false};
  std::jthread wants([&] {
    while (!stop) {
      always->budget->note_lack(MemoryNeed::kRead, kMiB);
      always->budget->tell_lack();
      shared_->set_limit(900 * kMiB, 1000 * kMiB);
      always->budget->tell_given_up();
    }
  });
  std::vector<std::jthread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 300; ++i) {
        const auto comes_and_goes = member();  // its listener is on its heap block
        comes_and_goes->budget->note_lack(MemoryNeed::kRead, kMiB);
        comes_and_goes->budget->tell_lack();
      }
    });
  }
  threads.clear();
  stop = true;
}

TEST_F(SharedBudgetTest, ThreadsOfThreeMembersNeverPassTheLimitAndLoseNothing) {
  std::atomic<bool> passed{false};
  std::vector<std::unique_ptr<Member>> members;
  for (int i = 0; i < 3; ++i) members.push_back(member(10));
  {
    std::vector<std::jthread> threads;
    for (unsigned seed = 0; seed < 6; ++seed) {
      threads.emplace_back([&, seed] {
        std::mt19937 random(seed);
        const std::shared_ptr<Budget>& budget = members[seed % 3]->budget;
        for (int i = 0; i < 5'000; ++i) {
          Ticket ticket = Ticket::try_take(budget, random() % (600 * kMiB), random() % 50);
          if (shared_->used_bytes() > 1000 * kMiB) passed = true;
          if (!ticket) budget->note_lack(MemoryNeed::kRead, 1);
          if (i % 50 == 0) budget->tell_lack();
          ticket.shrink_to(ticket.bytes() / 2);
        }
      });
    }
  }
  EXPECT_FALSE(passed.load());
  EXPECT_EQ(shared_->used_bytes(), 0U);
}

}  // namespace
}  // namespace ossmc
