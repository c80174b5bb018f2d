#include "memory/fair_shares.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace ossmc {
namespace {

constexpr std::uint64_t kMebibyte = 1u << 20;

std::vector<std::uint64_t> shares(std::vector<MemoryUse> members, std::uint64_t limit) {
  return fair_shares(members, limit);
}

std::uint64_t given(const MemoryUse& member, std::uint64_t share) {
  return member.used_bytes - std::min(member.used_bytes, share);
}

TEST(FairShares, AskNothingWhileNobodyLacksMemory) {
  EXPECT_EQ(
      shares({{.used_bytes = 900 * kMebibyte}, {.used_bytes = 100 * kMebibyte}}, 1000 * kMebibyte),
      (std::vector<std::uint64_t>{kNoShareLimit, kNoShareLimit}));
  EXPECT_TRUE(shares({}, 10).empty());
}

TEST(FairShares, WhatAnIdleMemberHasReadGoesForARead) {
  const MemoryUse idle{.used_bytes = 1000 * kMebibyte, .consumed_bytes = 1000 * kMebibyte};
  const MemoryUse reads{.need = MemoryNeed::kRead, .wanted_bytes = 8 * kMebibyte};
  const std::vector<std::uint64_t> result = shares({idle, reads}, 1000 * kMebibyte);
  // What is missing, what is kept free for reads, and a step.
  EXPECT_GE(given(idle, result[0]), (8 + 1000 / 16) * kMebibyte);
  EXPECT_LE(given(idle, result[0]), 200 * kMebibyte) << "no more at a time than is needed soon";
  EXPECT_EQ(result[1], kNoShareLimit);
}

TEST(FairShares, AllThatWasReadGoesInTheEnd) {
  MemoryUse idle{.used_bytes = 1000 * kMebibyte, .consumed_bytes = 1000 * kMebibyte};
  MemoryUse reads{.need = MemoryNeed::kRead, .wanted_bytes = 8 * kMebibyte};
  for (int i = 0; i < 100; ++i) {
    const std::vector<std::uint64_t> result = shares({idle, reads}, 1000 * kMebibyte);
    const std::uint64_t more = given(idle, result[0]);
    idle.used_bytes -= more;
    idle.consumed_bytes -= more;
    reads.used_bytes += more;
  }
  EXPECT_EQ(idle.used_bytes, 0U);
}

TEST(FairShares, BytesThatNobodyReadYetStayWhereNobodyWaits) {
  const MemoryUse full{.used_bytes = 1000 * kMebibyte};
  const MemoryUse sweeps{.need = MemoryNeed::kAhead, .wanted_bytes = 8 * kMebibyte};
  EXPECT_EQ(given(full, shares({full, sweeps}, 1000 * kMebibyte)[0]), 0U);
}

TEST(FairShares, ThoseWhoReadComeToTheSameLevel) {
  MemoryUse a{
      .used_bytes = 1000 * kMebibyte, .least_bytes = 16 * kMebibyte, .need = MemoryNeed::kRead};
  MemoryUse b{
      .least_bytes = 16 * kMebibyte, .need = MemoryNeed::kRead, .wanted_bytes = 8 * kMebibyte};
  for (int i = 0; i < 100; ++i) {
    const std::vector<std::uint64_t> result = shares({a, b}, 1000 * kMebibyte);
    const std::uint64_t more = given(a, result[0]);
    a.used_bytes -= more;
    b.used_bytes = std::min(b.used_bytes + more, std::max(b.used_bytes, result[1]));
  }
  EXPECT_NEAR(static_cast<double>(a.used_bytes), 500e6 * 1.048576, 10e6);
  EXPECT_NEAR(static_cast<double>(b.used_bytes), 500e6 * 1.048576, 10e6);
}

TEST(FairShares, WhoIsBelowTheLevelGivesNothing) {
  const MemoryUse large{.used_bytes = 900 * kMebibyte};
  const MemoryUse small{.used_bytes = 100 * kMebibyte};
  const MemoryUse reads{.need = MemoryNeed::kRead};
  const std::vector<std::uint64_t> result = shares({large, small, reads}, 1000 * kMebibyte);
  EXPECT_GT(given(large, result[0]), 0U);
  EXPECT_EQ(given(small, result[1]), 0U);
}

TEST(FairShares, WhoDoesNotReadLeavesWhatComesFreeToWhoDoes) {
  const MemoryUse idle{.used_bytes = 1000 * kMebibyte, .consumed_bytes = 500 * kMebibyte};
  const MemoryUse sweeps{.used_bytes = 50 * kMebibyte, .least_bytes = 16 * kMebibyte};
  const MemoryUse reads{.need = MemoryNeed::kRead};
  const std::vector<std::uint64_t> result = shares({idle, sweeps, reads}, 1050 * kMebibyte);
  EXPECT_EQ(result[1], 50 * kMebibyte);
  EXPECT_LT(result[0], 1000 * kMebibyte);
}

TEST(FairShares, ViewsAndWhatAReadNeedsBesideThemStay) {
  const MemoryUse views{
      .used_bytes = 990 * kMebibyte, .view_bytes = 900 * kMebibyte, .least_bytes = 16 * kMebibyte};
  const MemoryUse reads{.need = MemoryNeed::kRead, .wanted_bytes = 500 * kMebibyte};
  EXPECT_EQ(shares({views, reads}, 1000 * kMebibyte)[0], 916 * kMebibyte);
}

TEST(FairShares, TheFirstInLineGetsAllThatItMissesWhereTheLevelIsLower) {
  const MemoryUse first{.used_bytes = 10 * kMebibyte,
                        .need = MemoryNeed::kView,
                        .wanted_bytes = 800 * kMebibyte,
                        .is_first = true};
  const MemoryUse second{
      .used_bytes = 10 * kMebibyte, .need = MemoryNeed::kRead, .wanted_bytes = 800 * kMebibyte};
  const MemoryUse full{.used_bytes = 980 * kMebibyte};
  const std::vector<std::uint64_t> result = shares({second, first, full}, 1000 * kMebibyte);
  EXPECT_GE(result[1], 810 * kMebibyte);
  EXPECT_LE(result[2], 200 * kMebibyte);
}

TEST(FairShares, ALoweredLimitTakesWhatWasReadFirstAndThenTheMost) {
  const MemoryUse read{.used_bytes = 300 * kMebibyte, .consumed_bytes = 300 * kMebibyte};
  const MemoryUse large{.used_bytes = 500 * kMebibyte};
  const MemoryUse small{.used_bytes = 100 * kMebibyte};
  std::vector<std::uint64_t> result = shares({read, large, small}, 700 * kMebibyte);
  EXPECT_NEAR(static_cast<double>(given(read, result[0])), 200.0 * kMebibyte, 2);
  EXPECT_EQ(given(large, result[1]), 0U);
  EXPECT_EQ(given(small, result[2]), 0U);
  result = shares({read, large, small}, 200 * kMebibyte);
  EXPECT_EQ(given(read, result[0]), 300 * kMebibyte);
  EXPECT_NEAR(static_cast<double>(given(large, result[1])), 400.0 * kMebibyte, 2);
  EXPECT_LE(given(small, result[2]), 2U);
}

// Whatever is asked of them: when all have given up what they have to give, the sum fits, but for
// views and least bytes.
TEST(FairShares, RandomMembersFitInTheEnd) {
  std::mt19937 random(7);
  const auto below = [&](std::uint64_t most) { return most == 0 ? 0 : random() % most; };
  for (int round = 0; round < 2000; ++round) {
    std::vector<MemoryUse> members(1 + below(5));
    std::uint64_t fixed = 0;
    for (MemoryUse& member : members) {
      member.used_bytes = below(1000);
      member.view_bytes = below(member.used_bytes / 2 + 1);
      member.consumed_bytes = below(member.used_bytes - member.view_bytes + 1);
      member.least_bytes = below(20);
      fixed += std::max(member.view_bytes + member.least_bytes, member.view_bytes);
    }
    const std::uint64_t limit = below(2000);
    std::uint64_t used = 0;
    for (int i = 0; i < 4; ++i) {
      const std::vector<std::uint64_t> result = fair_shares(members, limit);
      used = 0;
      for (std::size_t m = 0; m < members.size(); ++m) {
        const std::uint64_t less = given(members[m], result[m]);
        members[m].used_bytes -= less;
        members[m].consumed_bytes -= std::min(members[m].consumed_bytes, less);
        ASSERT_GE(members[m].used_bytes, members[m].view_bytes);
        used += members[m].used_bytes;
      }
    }
    ASSERT_LE(used, std::max(limit, fixed)) << "round " << round;
  }
}

}  // namespace
}  // namespace ossmc
