#include "memory/new_pages.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>

#include "memory/mapping.h"
#include "support/csrc/resident.h"

namespace ossmc {
namespace {

constexpr std::size_t kSlice = 2 * kMiB;
constexpr std::size_t kBytes = 8 * kMiB;

class NewPagesTest : public testing::Test {
 protected:
  void SetUp() override {
    data_ = map_memory(kBytes);
    ASSERT_NE(data_, nullptr);
    std::byte* const probe = map_memory(page_bytes());
    const bool can_populate = populate(probe, page_bytes());
    unmap_memory(probe, page_bytes());
    if (!can_populate) GTEST_SKIP() << "this kernel makes pages when they are written";
    decide(PageKind::kSmall);
  }
  void TearDown() override { unmap_memory(data_, kBytes); }

  void decide(PageKind kind) {
    for (int i = 0; i < PageTrial::kTriesOfKind; ++i) {
      trial_.add(PageKind::kSmall, kMiB,
                 std::chrono::nanoseconds(kind == PageKind::kSmall ? 1 : 9));
      trial_.add(PageKind::kHuge, kMiB, std::chrono::nanoseconds(kind == PageKind::kHuge ? 1 : 9));
    }
  }
  std::size_t made() const { return resident_pages(data_, kBytes) * page_bytes(); }

  std::byte* data_ = nullptr;
  PageTrial trial_;
};

// Sixteen chunks got all their pages before the first byte of any was received.
TEST_F(NewPagesTest, PagesComeASliceAtATimeAndNotBeforeTheyAreNeeded) {
  NewPages pages(data_, kBytes, trial_);
  EXPECT_EQ(made(), 0u);
  pages.prepare(1);
  EXPECT_EQ(made(), kSlice);
  pages.prepare(kSlice);
  EXPECT_EQ(made(), kSlice) << "they are there";
  pages.prepare(kSlice + 1);
  EXPECT_EQ(made(), 2 * kSlice);
  pages.prepare(3 * kSlice + 1);  // more than a slice in one call
  EXPECT_EQ(made(), 4 * kSlice);
  pages.prepare(kBytes);
  EXPECT_EQ(made(), kBytes);
}

TEST_F(NewPagesTest, NoPageIsMadeBeyondWhatWasAskedFor) {
  NewPages pages(data_, 3 * kMiB, trial_);
  pages.prepare(3 * kMiB);
  EXPECT_EQ(made(), 3 * kMiB);
  pages.prepare(3 * kMiB);
  EXPECT_EQ(made(), 3 * kMiB);
}

TEST_F(NewPagesTest, PagesSharedWithNeighboursAreLeftToThem) {
  const std::size_t page = page_bytes();
  NewPages pages(data_ + 1, 3 * page, trial_);
  pages.prepare(3 * page);
  EXPECT_EQ(made(), 2 * page);
  NewPages within_one(data_ + 4 * page + 1, page - 2, trial_);
  within_one.prepare(page - 2);
  NewPages over_two(data_ + 5 * page - 1, 2, trial_);
  over_two.prepare(2);
  EXPECT_EQ(made(), 2 * page);
}

TEST_F(NewPagesTest, MemoryThatHasItsPagesGetsNone) {
  NewPages none;
  none.prepare(kBytes);
  EXPECT_EQ(made(), 0u);
}

TEST_F(NewPagesTest, UntilItIsKnownBothKindsAreTriedAndTimed) {
  PageTrial trial;
  for (int i = 0; i < 2 * PageTrial::kTriesOfKind && !trial.is_decided(); ++i) {
    std::byte* const data = map_memory(2 * huge_page_bytes());
    ASSERT_NE(data, nullptr);
    NewPages pages(data, 2 * huge_page_bytes(), trial);
    pages.prepare(1);
    unmap_memory(data, 2 * huge_page_bytes());
  }
  EXPECT_EQ(trial.is_decided(), huge_page_bytes() <= kSlice);
}

}  // namespace
}  // namespace ossmc
