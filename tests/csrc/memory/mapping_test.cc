#include "memory/mapping.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>

#include "support/csrc/pattern.h"
#include "support/csrc/resident.h"

namespace ossmc {
namespace {

// Whether a forked child has the range.
bool child_has(std::byte* data, std::size_t bytes) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(is_mapped(data, bytes) ? 0 : 1);
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// It was taken for 4 KiB where it is 64 KiB, and buffers ended within a page.
TEST(Mapping, PagesAreAsLargeAsTheSystemSays) {
  EXPECT_EQ(page_bytes(), static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
  EXPECT_EQ(huge_page_bytes() % page_bytes(), 0u);
  std::size_t told = 0;
  std::ifstream("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") >> told;
  EXPECT_EQ(huge_page_bytes(), told == 0 ? 2 * kMiB : told);
}

TEST(Mapping, IsExactlyAsLargeAsAsked) {
  const std::size_t page = page_bytes();
  const std::size_t huge = huge_page_bytes();
  for (const std::size_t bytes : {page, huge - page, huge, 2 * huge + page}) {
    std::byte* const data = map_memory(bytes);
    ASSERT_NE(data, nullptr);
    if (bytes >= huge) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data) % huge, 0u);
    }
    fill_pattern(data, 1, 0, bytes);
    EXPECT_TRUE(matches_pattern(data, 1, 0, bytes));
    unmap_memory(data, bytes);
    EXPECT_FALSE(is_mapped(data, page));
    EXPECT_FALSE(is_mapped(data + bytes - page, page));
  }
}

TEST(Mapping, RefusesWhatNoMachineHas) {
  EXPECT_EQ(map_memory(SIZE_MAX / page_bytes() * page_bytes()), nullptr);
  EXPECT_EQ(map_memory(std::size_t{1} << 62), nullptr);
}

// With small pages, of which the kernel makes none on the way.
TEST(Mapping, PagesComeAtOnceOrWhenTheyAreWritten) {
  constexpr std::size_t kBytes = kMiB;
  std::byte* const data = map_memory(kBytes);
  ASSERT_NE(data, nullptr);
  EXPECT_EQ(resident_pages(data, kBytes), 0u);
  if (populate(data, kBytes / 2)) {
    EXPECT_EQ(resident_pages(data, kBytes), kBytes / 2 / page_bytes());
    fill_pattern(data, 1, 0, kBytes / 2);
    EXPECT_TRUE(populate(data, kBytes));
    EXPECT_TRUE(matches_pattern(data, 1, 0, kBytes / 2)) << "what was there stays";
    EXPECT_EQ(resident_pages(data, kBytes), kBytes / page_bytes());
  }
  unmap_memory(data, kBytes);
}

TEST(Mapping, WhatIsHiddenFromForksIsSeenWhereItMovesTo) {
  std::byte* const from = map_memory(2 * kMiB);
  std::byte* const to = map_memory(6 * kMiB);
  hide_from_forks(from, 2 * kMiB);
  EXPECT_FALSE(child_has(from, 2 * kMiB));
  fill_pattern(from, 3, 0, 2 * kMiB);
  ASSERT_TRUE(move_mapping(from, 2 * kMiB, to + 2 * kMiB));
  EXPECT_FALSE(is_mapped(from, 2 * kMiB));
  EXPECT_TRUE(matches_pattern(to + 2 * kMiB, 3, 0, 2 * kMiB));
  EXPECT_TRUE(child_has(to, 6 * kMiB));
  unmap_memory(to, 6 * kMiB);
}

TEST(Mapping, ARefusedMoveLeavesBothSidesUsable) {
  std::byte* const from = map_memory(4 * kMiB);
  fill_pattern(from, 3, 0, 2 * kMiB);
  EXPECT_FALSE(move_mapping(from, 2 * kMiB, from + kMiB));  // the kernel refuses what overlaps
  EXPECT_TRUE(matches_pattern(from, 3, 0, 2 * kMiB));
  fill_pattern(from, 4, 0, 4 * kMiB);
  EXPECT_TRUE(matches_pattern(from, 4, 0, 4 * kMiB));
  unmap_memory(from, 4 * kMiB);
}

}  // namespace
}  // namespace ossmc
