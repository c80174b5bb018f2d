#include "memory/range_sink.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/crc64.h"
#include "support/csrc/exact_copy.h"
#include "support/csrc/pattern.h"

namespace ossmc {
namespace {

constexpr std::uint64_t kRangeSeed = 11;

// A buffer with guards on either side, which a sink may write to.
class GuardedBuffer {
 public:
  explicit GuardedBuffer(std::size_t size) : size_(size), bytes_(size + 2 * kGuardBytes) {
    set_guards(begin(), size);
  }
  std::byte* begin() { return bytes_.data() + kGuardBytes; }
  // Has bytes [from, from + size) of the range, and nothing beside them was written.
  testing::AssertionResult has_range(std::uint64_t from) {
    const std::string right = pattern_string(kRangeSeed, from, size_);
    return is_exact_copy(begin(), reinterpret_cast<const std::byte*>(right.data()), size_);
  }
  bool is_untouched() { return has_guards_only(0); }
  bool has_guards_only(std::size_t from) {
    for (std::size_t i = from; i < size_; ++i) {
      if (begin()[i] != kGuard) return false;
    }
    return true;
  }

 private:
  const std::size_t size_;
  std::vector<std::byte> bytes_;
};

class RangeSinkTest : public testing::Test {
 protected:
  // The next `size` bytes of the range, as a reply brings them.
  static void bring(RangeSink& sink, std::size_t size, bool with_crc = true) {
    const std::string bytes = pattern_string(kRangeSeed, sink.writer_filled(), size);
    sink.append(reinterpret_cast<const std::byte*>(bytes.data()), size, with_crc);
  }
  static void bring_all(RangeSink& sink, std::size_t step) {
    while (sink.writer_room() > 0) bring(sink, std::min<std::size_t>(step, sink.writer_room()));
  }
  static std::uint64_t right_crc(std::size_t size) {
    const std::string bytes = pattern_string(kRangeSeed, 0, size);
    return crc64_update(0, bytes.data(), bytes.size());
  }

  std::shared_ptr<LentMemory> memory_ = std::make_shared<LentMemory>();
};

TEST_F(RangeSinkTest, OneBufferTakesAll) {
  for (const std::size_t step : {1, 7, 1000, 4096}) {
    GuardedBuffer buffer(1000);
    RangeSink sink(1000, {{0, 1000, buffer.begin()}}, memory_);
    EXPECT_TRUE(sink.is_awaited());
    bring_all(sink, step);
    EXPECT_TRUE(buffer.has_range(0));
    EXPECT_EQ(sink.writer_filled(), 1000U);
    EXPECT_EQ(sink.filled(), 1000U);
    EXPECT_EQ(sink.writer_crc(), right_crc(1000));
  }
}

TEST_F(RangeSinkTest, WithoutCrcTheBytesAreTheSame) {
  GuardedBuffer buffer(1000);
  RangeSink sink(1000, {{0, 1000, buffer.begin()}}, memory_);
  while (sink.writer_room() > 0) bring(sink, 100, false);
  EXPECT_TRUE(buffer.has_range(0));
}

TEST_F(RangeSinkTest, WhatLiesBetweenPartsIsDroppedAndCountsForTheCrc) {
  for (const std::size_t step : {1, 3, 50, 500}) {
    GuardedBuffer first(10);
    GuardedBuffer second(100);
    RangeSink sink(500, {{20, 30, first.begin()}, {300, 400, second.begin()}}, memory_);
    bring_all(sink, step);
    EXPECT_TRUE(first.has_range(20));
    EXPECT_TRUE(second.has_range(300));
    EXPECT_EQ(sink.writer_crc(), right_crc(500));
  }
}

TEST_F(RangeSinkTest, PartsThatOverlapEachGetTheirs) {
  for (const std::size_t step : {1, 3, 50, 500}) {
    GuardedBuffer whole(500);
    GuardedBuffer inside(10);
    GuardedBuffer same(10);
    GuardedBuffer across(200);
    RangeSink sink(500,
                   {{0, 500, whole.begin()},
                    {20, 30, inside.begin()},
                    {20, 30, same.begin()},
                    {25, 225, across.begin()}},
                   memory_);
    bring_all(sink, step);
    EXPECT_TRUE(whole.has_range(0));
    EXPECT_TRUE(inside.has_range(20));
    EXPECT_TRUE(same.has_range(20));
    EXPECT_TRUE(across.has_range(25));
  }
}

TEST_F(RangeSinkTest, WithoutPartsOnlyTheCrcIsLeft) {
  RangeSink sink(500, {}, memory_);
  bring_all(sink, 100);
  EXPECT_EQ(sink.writer_crc(), right_crc(500));
}

TEST_F(RangeSinkTest, ARestartForgetsAll) {
  GuardedBuffer first(10);
  GuardedBuffer second(100);
  RangeSink sink(500, {{20, 30, first.begin()}, {300, 400, second.begin()}}, memory_);
  const std::string wrong(350, 'x');
  sink.append(reinterpret_cast<const std::byte*>(wrong.data()), wrong.size(), true);
  sink.restart();
  EXPECT_EQ(sink.writer_filled(), 0U);
  EXPECT_EQ(sink.filled(), 0U);
  EXPECT_EQ(sink.writer_room(), 500U);
  bring_all(sink, 90);
  EXPECT_TRUE(first.has_range(20));
  EXPECT_TRUE(second.has_range(300));
  EXPECT_EQ(sink.writer_crc(), right_crc(500));
}

TEST_F(RangeSinkTest, OnceTakenBackNothingIsWrittenAndTheCrcGoesOn) {
  for (const bool with_gap : {false, true}) {
    const auto memory = std::make_shared<LentMemory>();
    GuardedBuffer buffer(400);
    GuardedBuffer late(100);
    std::vector<SinkPart> parts = {{0, 400, buffer.begin()}};
    if (with_gap) parts.push_back({400, 500, late.begin()});
    RangeSink sink(with_gap ? 500 : 400, std::move(parts), memory);
    bring(sink, 150);
    memory->take_back();
    bring_all(sink, 50);
    EXPECT_TRUE(matches_pattern(buffer.begin(), kRangeSeed, 0, 150));
    EXPECT_TRUE(buffer.has_guards_only(150));
    EXPECT_TRUE(late.is_untouched());
    EXPECT_EQ(sink.writer_room(), 0U);
    EXPECT_EQ(sink.writer_crc(), right_crc(sink.length()));
  }
}

// Its caller's memory is gone: a late write would be seen by AddressSanitizer.
TEST_F(RangeSinkTest, WritesNothingIntoMemoryThatWasFreed) {
  auto buffer = std::make_unique<std::byte[]>(400);
  RangeSink sink(400, {{0, 200, buffer.get()}, {100, 400, buffer.get()}}, memory_);
  bring(sink, 120);
  memory_->take_back();
  buffer = nullptr;
  bring(sink, 100);
  sink.restart();
  bring_all(sink, 70);
  EXPECT_EQ(sink.writer_crc(), right_crc(400));
}

TEST_F(RangeSinkTest, AnyPartsInAnySteps) {
  std::mt19937_64 random(5);
  for (int run = 0; run < 300; ++run) {
    const auto length = static_cast<std::uint32_t>(1 + random() % 300);
    std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges;
    for (std::uint64_t count = random() % 6; count > 0; --count) {
      const auto begin = static_cast<std::uint32_t>(random() % length);
      ranges.emplace_back(begin,
                          begin + 1 + static_cast<std::uint32_t>(random() % (length - begin)));
    }
    std::sort(ranges.begin(), ranges.end());
    std::vector<std::unique_ptr<GuardedBuffer>> buffers;
    std::vector<SinkPart> parts;
    for (const auto& [begin, end] : ranges) {
      buffers.push_back(std::make_unique<GuardedBuffer>(end - begin));
      parts.push_back({begin, end, buffers.back()->begin()});
    }
    RangeSink sink(length, std::move(parts), memory_);
    if (random() % 3 == 0) {
      bring(sink, random() % (length + 1));
      sink.restart();
    }
    while (sink.writer_room() > 0) bring(sink, 1 + random() % sink.writer_room());
    for (std::size_t i = 0; i < buffers.size(); ++i)
      ASSERT_TRUE(buffers[i]->has_range(ranges[i].first)) << "run " << run << ", part " << i;
    ASSERT_EQ(sink.writer_crc(), right_crc(length)) << "run " << run;
  }
}

TEST(RangeSink, ItsLengthAndPlaceMayBecomeKnownLate) {
  RangeSink sink(1000, {}, std::make_shared<LentMemory>());
  std::string target(5, '?');
  sink.set_target(5, reinterpret_cast<std::byte*>(target.data()));
  EXPECT_EQ(sink.length(), 5U);
  EXPECT_EQ(sink.writer_room(), 5U);
  sink.append(reinterpret_cast<const std::byte*>("bytes"), 5, true);
  EXPECT_EQ(target, "bytes");
  EXPECT_EQ(sink.writer_crc(), crc64_update(0, "bytes", 5));
}

}  // namespace
}  // namespace ossmc
