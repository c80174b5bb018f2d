#include "memory/new_pages.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

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
    if (!can_populate()) GTEST_SKIP() << "this kernel makes pages when they are written";
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

// Whether huge pages were asked for there.
bool asks_for_huge_pages(const std::byte* data) {
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  std::ifstream maps("/proc/self/smaps");
  bool is_there = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2)  // NOLINT(cert-err34-c)
      is_there = begin <= address && address < end;
    if (is_there && line.starts_with("VmFlags:")) return line.find(" hg") != std::string::npos;
  }
  return false;
}

// Reads of whole objects spent most of their time on the first touch of what they returned.
TEST_F(NewPagesTest, LargeMemoryOfCallersGetsHugePagesWhereTheyAreCheaper) {
  constexpr std::size_t kLarge = 40 * kMiB;
  std::byte* const data = map_memory(kLarge);
  ASSERT_NE(data, nullptr);
  PageTrial undecided;
  prefer_cheap_pages(data, kLarge, undecided);
  prefer_cheap_pages(data, kLarge, trial_);  // small ones are cheaper
  EXPECT_FALSE(asks_for_huge_pages(data));
  PageTrial huge;
  for (int i = 0; i < PageTrial::kTriesOfKind; ++i) {
    huge.add(PageKind::kSmall, kMiB, std::chrono::nanoseconds(9));
    huge.add(PageKind::kHuge, kMiB, std::chrono::nanoseconds(1));
  }
  prefer_cheap_pages(data, kMiB, huge);
  EXPECT_FALSE(asks_for_huge_pages(data)) << "malloc may give it to others";
  prefer_cheap_pages(data + 1, kLarge - 2, huge);
  EXPECT_FALSE(asks_for_huge_pages(data)) << "shared with what lies before";
  if (huge_page_bytes() > kLarge / 4) GTEST_SKIP() << "huge pages are larger than that here";
  EXPECT_TRUE(asks_for_huge_pages(data + kLarge / 2));
  unmap_memory(data, kLarge);
}

}  // namespace
}  // namespace ossmc
