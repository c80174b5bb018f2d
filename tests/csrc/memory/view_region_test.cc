#include "memory/view_region.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "memory/mapping.h"
#include "memory/page_pool.h"
#include "support/csrc/fake_clock.h"
#include "support/csrc/pattern.h"
#include "support/csrc/resident.h"

namespace ossmc {
namespace {

std::shared_ptr<ViewRegion> make_region(std::size_t bytes) {
  Result<std::shared_ptr<ViewRegion>> region = ViewRegion::make(bytes);
  EXPECT_TRUE(region.is_ok()) << region.status().message();
  return std::move(region).value();
}

TEST(ViewRegion, ReservesAddressesOnlyAndAligned) {
  const std::size_t before = resident_bytes();
  const auto region = make_region(1024 * kMiB + 5);
  EXPECT_EQ(region->size(), 1024 * kMiB + 5);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(region->data()) % huge_page_bytes(), 0u);
  region->data()[0] = std::byte{1};
  region->data()[1024 * kMiB + 4] = std::byte{2};
  if (kResidentIsMeaningful) {
    EXPECT_LT(resident_bytes(), before + 16 * kMiB);
  }
}

TEST(ViewRegion, IsUnmappedWithItsLastHolder) {
  auto region = make_region(3 * kMiB);
  std::byte* const data = region->data();
  auto view = region;
  region.reset();
  EXPECT_TRUE(is_mapped(data, 3 * kMiB));
  view.reset();
  EXPECT_FALSE(is_mapped(data, 4096));
}

TEST(ViewRegion, ServesAnEmptyObject) {
  const auto region = make_region(0);
  EXPECT_EQ(region->size(), 0u);
  EXPECT_NE(region->data(), nullptr);
}

TEST(ViewRegion, TellsWhenThereAreNoAddresses) {
  for (const std::size_t bytes : {SIZE_MAX, SIZE_MAX / 2, std::size_t{1} << 62}) {
    const auto region = ViewRegion::make(bytes);
    ASSERT_FALSE(region.is_ok());
    EXPECT_EQ(region.status().code(), StatusCode::kMemoryBudget);
    EXPECT_NE(region.status().message().find(std::to_string(bytes)), std::string::npos);
  }
}

TEST(ViewRegion, HoldsItsPartOfTheBudget) {
  const auto budget = std::make_shared<Budget>(100);
  auto region = make_region(100);
  region->absorb(Ticket::try_take(budget, 40));
  region->absorb(Ticket::try_take(budget, 60));
  EXPECT_EQ(budget->used_bytes(), 100u);
  Ticket taken = region->take_ticket();
  EXPECT_EQ(taken.bytes(), 100u);
  region->absorb(std::move(taken));
  region.reset();
  EXPECT_EQ(budget->used_bytes(), 0u);
}

TEST(ViewRegion, ChunksMoveInFromThePool) {
  FakeClock clock;
  PagePool::Options options;
  options.slot_bytes = 4 * kMiB;
  const auto pool = PagePool::make(options, clock);
  const std::size_t slot = options.slot_bytes;
  const std::size_t bytes = 2 * slot + 3 * kMiB + 123;
  const auto region = make_region(bytes);
  const std::size_t before = resident_bytes();
  for (std::size_t at = 0; at < bytes; at += slot) {
    const std::size_t length = std::min(slot, bytes - at);
    Block block = pool->take(length);
    fill_pattern(block.data(), 4, at, length);
    std::byte* const old = block.data();
    std::move(block).move_pages_to(region->data() + at, length);
    EXPECT_FALSE(block);  // NOLINT(bugprone-use-after-move): consumed, as promised
    EXPECT_FALSE(is_mapped(old, 4096)) << "the pages left without a copy";
  }
  EXPECT_TRUE(matches_pattern(region->data(), 4, 0, bytes));
  EXPECT_EQ(pool->mapped_free_bytes(), 0u);
  if (kResidentIsMeaningful) {
    EXPECT_LT(resident_bytes(), before + bytes + 4 * kMiB);
  }

  // A view is read in a forked child too, though the pool's own memory is not there.
  const pid_t child = ::fork();
  if (child == 0) ::_exit(matches_pattern(region->data(), 4, 0, bytes) ? 0 : 1);
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(ViewRegion, AMoveLeavesTheNeighboursAlone) {
  FakeClock clock;
  PagePool::Options options;
  options.slot_bytes = 2 * kMiB + 777;  // not pages: the chunk ends in the middle of one
  const auto pool = PagePool::make(options, clock);
  const auto region = make_region(3 * options.slot_bytes);
  fill_pattern(region->data(), 1, 0, region->size());
  for (const std::size_t at : {std::size_t{0}, options.slot_bytes}) {  // a page's start, and not
    Block block = pool->take(options.slot_bytes);
    fill_pattern(block.data(), 2, at, block.size());
    std::move(block).move_pages_to(region->data() + at, options.slot_bytes);
  }
  EXPECT_TRUE(matches_pattern(region->data(), 2, 0, 2 * options.slot_bytes));
  EXPECT_TRUE(matches_pattern(region->data() + 2 * options.slot_bytes, 1, 2 * options.slot_bytes,
                              options.slot_bytes));
}

TEST(ViewRegion, SmallPiecesAreCopiedAndTheirBufferIsKept) {
  FakeClock clock;
  const auto pool = PagePool::make({}, clock);
  const auto region = make_region(kMiB);
  for (const std::size_t length : {std::size_t{100}, kMiB / 2}) {
    Block block = pool->take(length);
    fill_pattern(block.data(), 5, 0, length);
    std::move(block).move_pages_to(region->data(), length);
    EXPECT_FALSE(block);  // NOLINT(bugprone-use-after-move): consumed, as promised
    EXPECT_TRUE(matches_pattern(region->data(), 5, 0, length));
  }
  EXPECT_EQ(pool->mapped_free_bytes(), kMiB / 2);
}

}  // namespace
}  // namespace ossmc
