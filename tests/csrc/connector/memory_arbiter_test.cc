#include "connector/memory_arbiter.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "memory/budget.h"
#include "support/csrc/fake_clock.h"
#include "support/csrc/forked_child.h"

namespace ossmc {
namespace {

// On a machine whose files are the test's.
class MemoryArbiterTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kMiB = 1u << 20;

  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "ossmc-arbiter-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    set_machine(64000);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file(root_ + path);
    std::filesystem::create_directories(file.parent_path());
    // At once, as the kernel's files change: the arbiter's thread may read them now.
    std::ofstream(file.string() + ".new") << text;
    std::filesystem::rename(file.string() + ".new", file);
  }
  void set_machine(std::uint64_t available_mib) const {
    write("/proc/meminfo", "MemTotal:       65536000 kB\nMemAvailable:   " +
                               std::to_string(available_mib * 1024) + " kB\n");
  }
  // The control group of this process, version 2.
  void set_group(std::uint64_t limit_mib, std::uint64_t used_mib) const {
    write("/proc/self/cgroup", "0::/job\n");
    write("/proc/self/mountinfo", "30 22 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n");
    write("/sys/fs/cgroup/job/memory.max", std::to_string(limit_mib * kMiB));
    write("/sys/fs/cgroup/job/memory.current", std::to_string(used_mib * kMiB));
    write("/sys/fs/cgroup/job/memory.stat", "inactive_file 0\n");
  }
  std::unique_ptr<MemoryArbiter> arbiter(std::uint64_t processes = 1, bool is_worker = false) {
    return std::make_unique<MemoryArbiter>(
        MemoryArbiterOptions{
            .root = root_, .processes = processes, .is_worker = is_worker, .watches = false},
        clock_);
  }
  static std::uint64_t limit_mib(const MemoryArbiter& arbiter) {
    return arbiter.budget()->limit_bytes() / kMiB;
  }

  std::string root_;
  FakeClock clock_;
};

TEST_F(MemoryArbiterTest, ChoosesHalfOfWhatIsFree) {
  EXPECT_EQ(limit_mib(*arbiter()), 32000U);
  EXPECT_EQ(arbiter()->reason(), "half of 64000 MiB free in the machine");
  EXPECT_EQ(limit_mib(*arbiter(4)), 8000U);
  EXPECT_EQ(arbiter(4)->reason(),
            "half of 64000 MiB free in the machine, shared by 4 processes (LOCAL_WORLD_SIZE)");
  set_group(1024, 24);
  EXPECT_EQ(limit_mib(*arbiter()), 500U);
  std::filesystem::remove_all(root_ + "/proc");
  EXPECT_EQ(limit_mib(*arbiter()), 32U) << "not known";
}

TEST_F(MemoryArbiterTest, AWorkerHasAtMostOneGibibyte) {
  EXPECT_EQ(limit_mib(*arbiter(1, true)), 1024U);
  EXPECT_EQ(limit_mib(*arbiter(640, true)), 50U);
}

TEST_F(MemoryArbiterTest, WhatOthersTakeIsGivenUpDownToWhatKeepsTheLineFull) {
  set_group(1024, 24);
  const auto one = arbiter();
  const auto budget = std::make_shared<Budget>(one->budget(), 8 * kMiB);
  Ticket ticket = Ticket::try_take(budget, 500 * kMiB);
  ASSERT_TRUE(ticket);
  set_group(1024, 24 + 500 + 200);  // 300 are free, of which 256 are the margin
  one->look();
  EXPECT_EQ(limit_mib(*one), 500U);
  set_group(1024, 24 + 500 + 300);
  one->look();
  EXPECT_EQ(limit_mib(*one), 444U);
  EXPECT_EQ(budget->excess_bytes(), 56 * kMiB);
  set_group(1024, 1024);
  one->look();
  EXPECT_EQ(limit_mib(*one), 244U);
  // What we gave up others took.
  ticket.shrink_to(100 * kMiB);
  one->look();
  EXPECT_EQ(limit_mib(*one), 32U) << "never less";
  set_group(1024, 124);
  one->look();
  EXPECT_EQ(limit_mib(*one), 500U) << "it comes back";
}

TEST_F(MemoryArbiterTest, TheLimitGrowsWithWhatTheMachineHasFree) {
  const auto one = arbiter();
  set_machine(40000);
  one->look();
  EXPECT_EQ(limit_mib(*one), 32000U) << "no need to yield";
  set_machine(65000);
  one->look();
  EXPECT_EQ(limit_mib(*one), 32500U);
}

// What was reserved and had no pages yet counted twice: the limit grew with each look, up to all
// that was free.
TEST_F(MemoryArbiterTest, ReservedMemoryDoesNotRaiseTheLimit) {
  set_group(1024, 24);
  const auto one = arbiter();
  const auto budget = std::make_shared<Budget>(one->budget(), 8 * kMiB);
  const Ticket ticket = Ticket::try_take(budget, 500 * kMiB);
  for (int i = 0; i < 10; ++i) one->look();
  EXPECT_EQ(limit_mib(*one), 500U);
}

TEST_F(MemoryArbiterTest, ReadsGoOnBesideViews) {
  set_group(1024, 24);
  const auto one = arbiter();
  const auto budget = std::make_shared<Budget>(one->budget(), 8 * kMiB);
  const Ticket view = Ticket::try_take(budget, 400 * kMiB);
  budget->set_view_bytes(400 * kMiB);
  set_group(1024, 1024);
  one->look();
  EXPECT_EQ(limit_mib(*one), 500U);
}

TEST_F(MemoryArbiterTest, IdleBuffersGoBeforeChunks) {
  set_group(1024, 24);
  const auto one = arbiter();
  const auto pool = PagePool::make({.slot_bytes = 2 * kMiB}, clock_);
  one->add(pool);
  { const Block idle = pool->take(2 * kMiB); }
  one->look();
  EXPECT_EQ(pool->mapped_free_bytes(), 2 * kMiB);
  set_group(1024, 900);
  one->look();
  EXPECT_EQ(pool->mapped_free_bytes(), 0U);
  one->remove(*pool);
}

TEST_F(MemoryArbiterTest, LooksBeforeMuchFreshMemoryIsMapped) {
  set_group(1024, 24);
  const auto one = arbiter();
  const auto budget = std::make_shared<Budget>(one->budget(), 8 * kMiB);
  set_group(1024, 1000);
  one->on_fresh(8 * kMiB);
  EXPECT_EQ(limit_mib(*one), 500U);
  for (int i = 0; i < 3; ++i) one->on_fresh(8 * kMiB);
  EXPECT_EQ(limit_mib(*one), 32U);
}

TEST_F(MemoryArbiterTest, ItsThreadLooksWhileThereArePools) {
  set_group(1024, 24);
  MemoryArbiter one({.root = root_}, system_clock());
  const auto pool = PagePool::make({.slot_bytes = 2 * kMiB}, clock_);
  for (int round = 0; round < 2; ++round) {
    set_group(1024, 24);
    one.add(pool);
    EXPECT_EQ(limit_mib(one), 500U);
    set_group(1024, 1000);
    const TimePoint deadline = system_clock().now() + std::chrono::seconds(60);
    while (limit_mib(one) == 500U && system_clock().now() < deadline) std::this_thread::yield();
    EXPECT_EQ(limit_mib(one), 32U);
    one.remove(*pool);
  }
}

TEST_F(MemoryArbiterTest, AForkedChildHasItsOwnOfWhichNothingIsUsed) {
  const std::shared_ptr<SharedBudget> parents = MemoryArbiter::of_process().budget();
  auto budget = std::make_shared<Budget>(parents, 8 * kMiB);
  Ticket ticket = Ticket::try_take(budget, 16 * kMiB);
  ASSERT_TRUE(ticket);
  EXPECT_TRUE(holds_in_child([&] {
    const std::shared_ptr<SharedBudget>& own = MemoryArbiter::of_process().budget();
    EXPECT_NE(own, parents);
    EXPECT_EQ(own->used_bytes(), 0U);
    EXPECT_LE(own->limit_bytes(), 1024 * kMiB);
    ticket.reset();  // a view that the child inherited
    budget = nullptr;
  }));
  EXPECT_EQ(MemoryArbiter::of_process().budget(), parents);
}

}  // namespace
}  // namespace ossmc
