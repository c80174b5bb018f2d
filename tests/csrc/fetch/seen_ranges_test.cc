#include "fetch/seen_ranges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "base/crc64.h"
#include "support/csrc/pattern.h"

namespace ossmc {
namespace {

constexpr std::uint64_t kSeenSeed = 3;

SeenRange seen_range(std::uint32_t begin, std::uint32_t end) {
  const std::string bytes = pattern_string(kSeenSeed, begin, end - begin);
  return {begin, end, crc64_update(0, bytes.data(), bytes.size())};
}

// All `bytes` in steps of so many. False: at one of them it was told that they differ.
bool pass_all(SeenRanges& seen, const std::string& bytes, std::size_t step) {
  bool is_same = true;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    const std::size_t size = std::min(step, bytes.size() - at);
    is_same = seen.pass(static_cast<std::uint32_t>(at),
                        reinterpret_cast<const std::byte*>(bytes.data()) + at, size) &&
              is_same;
  }
  return is_same;
}

TEST(SeenRanges, NothingSeenIsNeverAnother) {
  SeenRanges seen({});
  EXPECT_TRUE(seen.empty());
  EXPECT_TRUE(pass_all(seen, "anything", 3));
}

TEST(SeenRanges, TheSameBytesPassInAnySteps) {
  for (const std::size_t step : {1, 7, 100, 1000}) {
    SeenRanges seen({seen_range(0, 10), seen_range(5, 500), seen_range(990, 1000),
                     seen_range(0, 1000), seen_range(499, 500)});
    EXPECT_FALSE(seen.empty());
    EXPECT_TRUE(pass_all(seen, pattern_string(kSeenSeed, 0, 1000), step)) << step;
  }
}

TEST(SeenRanges, AByteThatDiffersIsFoundWhereItsRangeEnds) {
  SeenRanges seen({seen_range(10, 20), seen_range(15, 30)});
  std::string bytes = pattern_string(kSeenSeed, 0, 100);
  bytes[17] ^= 1;
  const auto* const at = reinterpret_cast<const std::byte*>(bytes.data());
  EXPECT_TRUE(seen.pass(0, at, 19));  // neither has ended
  EXPECT_FALSE(seen.pass(19, at + 19, 5));
  EXPECT_FALSE(seen.pass(24, at + 24, 6));
  EXPECT_TRUE(seen.pass(30, at + 30, 70));
}

TEST(SeenRanges, ByteBesideTheRangesIsNobodys) {
  for (const std::size_t other : {9, 20, 99}) {
    SeenRanges seen({seen_range(10, 20)});
    std::string bytes = pattern_string(kSeenSeed, 0, 100);
    bytes[other] ^= 1;
    EXPECT_TRUE(pass_all(seen, bytes, 6)) << other;
  }
}

TEST(SeenRanges, AfterARestartAllIsComparedAnew) {
  SeenRanges seen({seen_range(10, 20), seen_range(40, 60)});
  std::string bytes = pattern_string(kSeenSeed, 0, 100);
  EXPECT_TRUE(pass_all(seen, bytes.substr(0, 50), 8));
  seen.restart();
  EXPECT_TRUE(pass_all(seen, bytes, 8));
  seen.restart();
  bytes[50] ^= 1;
  EXPECT_FALSE(pass_all(seen, bytes, 8));
}

TEST(SeenRanges, OneFlippedBitInAnyRangeIsFound) {
  std::mt19937_64 random(9);
  for (int run = 0; run < 200; ++run) {
    std::vector<SeenRange> ranges;
    for (std::uint64_t count = 1 + random() % 5; count > 0; --count) {
      const auto begin = static_cast<std::uint32_t>(random() % 300);
      ranges.push_back(seen_range(begin, begin + 1 + static_cast<std::uint32_t>(random() % 100)));
    }
    std::string bytes = pattern_string(kSeenSeed, 0, 400);
    const std::size_t at = random() % bytes.size();
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
    const bool is_seen = std::any_of(ranges.begin(), ranges.end(), [&](const SeenRange& range) {
      return range.begin <= at && at < range.end;
    });
    SeenRanges seen(ranges);
    ASSERT_EQ(pass_all(seen, bytes, 1 + random() % 50), !is_seen) << "run " << run;
  }
}

}  // namespace
}  // namespace ossmc
