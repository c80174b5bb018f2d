#include "prefetch/read_pattern.h"

#include <gtest/gtest.h>

namespace ossmc {
namespace {

using Way = ColdRead::Way;

constexpr std::uint32_t kPatternChunk = 8u << 20;
constexpr std::uint64_t kKiB = 1u << 10;
constexpr std::uint64_t kMiB = 1u << 20;

class ReadPatternTest : public testing::Test {
 protected:
  ColdRead cold(std::uint64_t begin, std::uint64_t size, std::uint32_t chunk = kPatternChunk) {
    return pattern_.on_cold_read(begin, begin + size, chunk);
  }
  // So many small reads, each where the one before has ended, through windows.
  std::uint64_t read_on(std::uint64_t begin, std::uint64_t until) {
    std::uint64_t at = begin;
    while (at < until) {
      const ColdRead read = cold(at, 100);
      std::uint64_t end = at + 100;
      if (read.way == Way::kWindow) {
        end = at + read.window_bytes;
        pattern_.on_window(end);
      }
      at = end;
    }
    return at;
  }

  ReadPattern pattern_;
};

TEST_F(ReadPatternTest, TheFirstReadIsExactAndFollowsNothing) {
  const ColdRead read = cold(12345, 100);
  EXPECT_EQ(read.way, Way::kExact);
  EXPECT_FALSE(read.follows);
  EXPECT_FALSE(read.reads_ahead);
  EXPECT_FALSE(pattern_.jumps());
}

TEST_F(ReadPatternTest, SoIsTheFirstOfAnObjectThatBeginsAtItsBegin) {
  EXPECT_EQ(cold(0, 100).way, Way::kExact);
}

TEST_F(ReadPatternTest, AReadThatFollowsBringsAtLeast32KiB) {
  cold(1000, 10);
  const ColdRead read = cold(1010, 10);
  EXPECT_EQ(read.way, Way::kWindow);
  EXPECT_EQ(read.window_bytes, 32 * kKiB);
  EXPECT_TRUE(read.follows);
  EXPECT_FALSE(read.reads_ahead);
}

TEST_F(ReadPatternTest, EachWindowIsAsLargeAsAllThatWasReadInARowUpTo1MiB) {
  std::uint64_t at = 5 * kMiB;
  const std::uint64_t begin = at;
  cold(at, 100);
  at += 100;
  std::uint64_t least = 32 * kKiB;
  while (true) {
    const ColdRead read = cold(at, 100);
    if (read.way == Way::kChunks) break;
    ASSERT_EQ(read.way, Way::kWindow);
    ASSERT_EQ(read.window_bytes, std::max(least, at - begin));
    ASSERT_LT(at - begin, kMiB);
    at += read.window_bytes;
    pattern_.on_window(at);
    least = 0;
  }
  EXPECT_GE(at - begin, kMiB);
  EXPECT_LE(at - begin, 2 * kMiB);
}

TEST_F(ReadPatternTest, FromAMegabyteInARowOnChunksAreClaimedAndReadAhead) {
  const std::uint64_t end = read_on(0, kMiB);
  const ColdRead read = cold(end, 100);
  EXPECT_EQ(read.way, Way::kChunks);
  EXPECT_TRUE(read.reads_ahead);
  EXPECT_EQ(read.window_bytes, kMiB);
  EXPECT_EQ(pattern_.ahead_chunks(), 1U);
}

TEST_F(ReadPatternTest, OfSmallerChunksFromOneChunkInARowOn) {
  cold(0, 64 * kKiB, 128 * kKiB);
  EXPECT_EQ(cold(64 * kKiB, 64 * kKiB, 128 * kKiB).way, Way::kWindow);
  EXPECT_EQ(cold(128 * kKiB, 10, 128 * kKiB).way, Way::kChunks);
}

TEST_F(ReadPatternTest, WhatIsLeftOutBetweenReadsMayBe32KiB) {
  cold(0, 100);
  EXPECT_EQ(cold(100 + ReadPattern::kSkipBytes, 100).way, Way::kWindow);
  EXPECT_EQ(cold(200 + 2 * ReadPattern::kSkipBytes + 1, 100).way, Way::kExact);
}

TEST_F(ReadPatternTest, AReadThatReachesFromWhatWasReadBeyondItFollows) {
  cold(1000, 1000);
  EXPECT_EQ(cold(1500, 1000).way, Way::kWindow);  // straddles
  EXPECT_EQ(cold(1000, 5000).way, Way::kWindow);  // begins with what was read
}

TEST_F(ReadPatternTest, AReadOfWhatWasReadOrLiesBeforeItJumps) {
  cold(1000, 1000);
  EXPECT_FALSE(cold(1200, 100).follows);
  EXPECT_FALSE(cold(0, 100).follows);
}

TEST_F(ReadPatternTest, AJumpBeginsAnewWithAnExactRead) {
  const std::uint64_t end = read_on(0, 4 * kMiB);
  const ColdRead jump = cold(end + 100 * kMiB, 100);
  EXPECT_EQ(jump.way, Way::kExact);
  EXPECT_FALSE(jump.follows);
  EXPECT_FALSE(jump.reads_ahead);
  const ColdRead next = cold(end + 100 * kMiB + 100, 100);
  EXPECT_EQ(next.way, Way::kWindow);
  EXPECT_EQ(next.window_bytes, 32 * kKiB);
}

TEST_F(ReadPatternTest, ThreeJumpsWithoutAReadThatFollowsAndReadsJump) {
  for (std::uint64_t i = 0; i < 3; ++i) {
    EXPECT_FALSE(pattern_.jumps()) << i;
    cold(i * kMiB, 100);
  }
  EXPECT_TRUE(pattern_.jumps());
}

TEST_F(ReadPatternTest, AReadThatFollowsForgivesTheJumps) {
  for (std::uint64_t i = 0; i < 3; ++i) cold(i * kMiB, 100);
  cold(2 * kMiB + 100, 100);
  for (std::uint64_t i = 3; i < 5; ++i) cold(i * kMiB, 100);
  EXPECT_FALSE(pattern_.jumps());
  cold(5 * kMiB, 100);
  EXPECT_TRUE(pattern_.jumps());
  pattern_.forgive_jumps();
  EXPECT_FALSE(pattern_.jumps());
}

TEST_F(ReadPatternTest, AWindowThatWasCutShorterIsNotReadFurther) {
  cold(0, 100);
  cold(100, 100);
  pattern_.on_window(150);  // no more than was read
  EXPECT_EQ(cold(200, 100).window_bytes, 32 * kKiB);
  EXPECT_FALSE(cold(100, 50).follows);
}

// --- through chunk memory ---

TEST_F(ReadPatternTest, AheadOfChunksReadInARowAreTwiceAsManyEachTime) {
  read_on(0, kPatternChunk);
  std::uint64_t ahead = pattern_.ahead_chunks();
  EXPECT_EQ(ahead, 1U);
  for (std::uint64_t i = 1; i < 6; ++i) {
    EXPECT_TRUE(pattern_.on_chunk_read(i * kPatternChunk, (i + 1) * kPatternChunk));
    EXPECT_EQ(pattern_.ahead_chunks(), 2 * ahead);
    ahead = pattern_.ahead_chunks();
  }
}

TEST_F(ReadPatternTest, AChunkThatIsToldTwiceCountsOnce) {
  pattern_.on_chunk_read(0, kPatternChunk);
  const std::uint64_t ahead = pattern_.ahead_chunks();
  EXPECT_FALSE(pattern_.on_chunk_read(0, kPatternChunk));
  EXPECT_EQ(pattern_.ahead_chunks(), ahead);
}

TEST_F(ReadPatternTest, AChunkElsewhereDoesNotFollowAndEndsTheRow) {
  for (std::uint64_t i = 0; i < 5; ++i)
    pattern_.on_chunk_read(i * kPatternChunk, (i + 1) * kPatternChunk);
  EXPECT_FALSE(pattern_.on_chunk_read(50 * kPatternChunk, 51 * kPatternChunk));
  EXPECT_EQ(pattern_.ahead_chunks(), 1U);
}

TEST_F(ReadPatternTest, AColdReadBehindAChunkFollowsIt) {
  pattern_.on_chunk_read(0, kPatternChunk);
  const ColdRead read = cold(kPatternChunk, 100);
  EXPECT_EQ(read.way, Way::kChunks);
  EXPECT_TRUE(read.reads_ahead);
}

TEST_F(ReadPatternTest, ALongRowDoesNotPassWhatAheadCanSay) {
  for (std::uint64_t i = 0; i < 100; ++i) pattern_.on_chunk_read(i * 10, (i + 1) * 10);
  EXPECT_EQ(pattern_.ahead_chunks(), std::uint64_t{1} << 20);
}

}  // namespace
}  // namespace ossmc
