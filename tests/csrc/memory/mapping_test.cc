#include "memory/mapping.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

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

TEST(Mapping, IsExactlyAsLargeAsAsked) {
  for (const std::size_t bytes : {kPageBytes, 2 * kMiB - kPageBytes, 2 * kMiB, 5 * kMiB}) {
    std::byte* const data = map_memory(bytes);
    ASSERT_NE(data, nullptr);
    if (bytes >= kHugePageBytes) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data) % kHugePageBytes, 0u);
    }
    fill_pattern(data, 1, 0, bytes);
    EXPECT_TRUE(matches_pattern(data, 1, 0, bytes));
    unmap_memory(data, bytes);
    EXPECT_FALSE(is_mapped(data, kPageBytes));
    EXPECT_FALSE(is_mapped(data + bytes - kPageBytes, kPageBytes));
  }
}

TEST(Mapping, RefusesWhatNoMachineHas) {
  EXPECT_EQ(map_memory(SIZE_MAX / kPageBytes * kPageBytes), nullptr);
  EXPECT_EQ(map_memory(std::size_t{1} << 62), nullptr);
}

// With small pages, of which the kernel makes none on the way.
TEST(Mapping, PagesComeAtOnceOrWhenTheyAreWritten) {
  constexpr std::size_t kBytes = kMiB;
  std::byte* const data = map_memory(kBytes);
  ASSERT_NE(data, nullptr);
  EXPECT_EQ(resident_pages(data, kBytes), 0u);
  if (populate(data, kBytes / 2)) {
    EXPECT_EQ(resident_pages(data, kBytes), kBytes / 2 / kPageBytes);
    fill_pattern(data, 1, 0, kBytes / 2);
    EXPECT_TRUE(populate(data, kBytes));
    EXPECT_TRUE(matches_pattern(data, 1, 0, kBytes / 2)) << "what was there stays";
    EXPECT_EQ(resident_pages(data, kBytes), kBytes / kPageBytes);
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
