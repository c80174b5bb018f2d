#include "prefetch/read_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace ossmc {
namespace {

constexpr std::uint32_t kPlanChunk = 100;

std::vector<PlannedPiece> plan(const std::vector<std::pair<std::uint64_t, std::size_t>>& ranges,
                               std::uint64_t most_gap) {
  static std::byte somewhere[1000];
  std::vector<WantedRange> wanted;
  for (const auto& [offset, size] : ranges) wanted.push_back({0, offset, {somewhere, size}});
  return plan_pieces(std::move(wanted), kPlanChunk, most_gap);
}

// "chunk:begin-end", one after the other.
std::string text_of_plan(const std::vector<PlannedPiece>& pieces) {
  std::string text;
  for (const PlannedPiece& piece : pieces) {
    text += (text.empty() ? "" : " ") + std::to_string(piece.index) + ":" +
            std::to_string(piece.begin) + "-" + std::to_string(piece.end);
  }
  return text;
}

TEST(ReadPlan, OfNothingIsNothing) {
  EXPECT_EQ(text_of_plan(plan({}, 0)), "");
  EXPECT_EQ(text_of_plan(plan({{5, 0}, {700, 0}}, 0)), "");
}

TEST(ReadPlan, ARangeIsCutAtChunks) {
  EXPECT_EQ(text_of_plan(plan({{5, 10}}, 0)), "0:5-15");
  EXPECT_EQ(text_of_plan(plan({{90, 10}}, 0)), "0:90-100");
  EXPECT_EQ(text_of_plan(plan({{100, 1}}, 0)), "1:0-1");
  EXPECT_EQ(text_of_plan(plan({{90, 220}}, 0)), "0:90-100 1:0-100 2:0-100 3:0-10");
}

TEST(ReadPlan, WhatLiesNearIsOnePiece) {
  EXPECT_EQ(text_of_plan(plan({{0, 10}, {10, 10}}, 0)), "0:0-20");
  EXPECT_EQ(text_of_plan(plan({{0, 10}, {11, 10}}, 0)), "0:0-10 0:11-21");
  EXPECT_EQ(text_of_plan(plan({{0, 10}, {15, 10}}, 5)), "0:0-25");
  EXPECT_EQ(text_of_plan(plan({{0, 10}, {16, 10}}, 5)), "0:0-10 0:16-26");
}

TEST(ReadPlan, ButNotAcrossChunks) {
  EXPECT_EQ(text_of_plan(plan({{90, 10}, {100, 10}}, 50)), "0:90-100 1:0-10");
}

TEST(ReadPlan, AnyOrderAndOverlapsAreTheSamePieces) {
  EXPECT_EQ(text_of_plan(plan({{250, 10}, {30, 10}, {25, 10}, {0, 260}}, 0)),
            "0:0-100 1:0-100 2:0-60");
  EXPECT_EQ(text_of_plan(plan({{95, 200}, {90, 300}, {99, 1}}, 0)),
            "0:90-100 1:0-100 2:0-100 3:0-90");
}

TEST(ReadPlan, AnOffsetBeyond4GiBIsTheRightChunk) {
  std::byte bytes[20];
  const std::uint64_t far = (std::uint64_t{1} << 40) + 7;
  const auto pieces = plan_pieces({{3, far, bytes}}, 1u << 20, 0);
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].object, 3U);
  EXPECT_EQ(pieces[0].index, std::uint64_t{1} << 20);
  EXPECT_EQ(pieces[0].begin, 7U);
  EXPECT_EQ(pieces[0].end, 27U);
}

// The byte of an object: wrong places have others.
std::byte planned_byte(std::size_t object, std::uint64_t offset) {
  return static_cast<std::byte>((offset * 131 + object * 17 + offset / 251) & 0xFF);
}

struct PlanCase {
  std::uint32_t chunk_bytes = 0;
  std::uint64_t most_gap = 0;
  std::vector<std::vector<std::byte>> buffers;
  std::vector<WantedRange> ranges;
};

PlanCase draw_plan_case(std::mt19937_64& random) {
  PlanCase made;
  made.chunk_bytes = static_cast<std::uint32_t>(1 + random() % 64);
  made.most_gap = random() % 3 == 0 ? 0 : random() % 40;
  const std::size_t count = random() % 12;
  made.buffers.resize(count);
  for (std::vector<std::byte>& buffer : made.buffers) {
    buffer.assign(random() % 4 == 0 ? random() % 300 : random() % 20, std::byte{0});
    made.ranges.push_back({random() % 3, random() % 400, buffer});
  }
  return made;
}

// Each wanted byte of each object is in one piece; how many pieces there have to be, by walking
// over all bytes.
std::size_t naive_pieces(const PlanCase& drawn) {
  std::map<std::size_t, std::set<std::uint64_t>> wanted;
  for (const WantedRange& range : drawn.ranges) {
    for (std::size_t i = 0; i < range.to.size(); ++i) wanted[range.object].insert(range.offset + i);
  }
  std::size_t count = 0;
  for (const auto& [object, offsets] : wanted) {
    std::uint64_t last = UINT64_MAX;
    for (const std::uint64_t offset : offsets) {
      const bool goes_on = last != UINT64_MAX &&
                           last / drawn.chunk_bytes == offset / drawn.chunk_bytes &&
                           offset - last - 1 <= drawn.most_gap;
      if (!goes_on) ++count;
      last = offset;
    }
  }
  return count;
}

TEST(ReadPlan, HoldsWhatItPromisesForAnyRanges) {
  std::mt19937_64 random(21);
  for (int run = 0; run < 1000; ++run) {
    PlanCase drawn = draw_plan_case(random);
    const auto pieces = plan_pieces(drawn.ranges, drawn.chunk_bytes, drawn.most_gap);
    ASSERT_EQ(pieces.size(), naive_pieces(drawn)) << "run " << run;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const PlannedPiece& piece = pieces[i];
      ASSERT_LT(piece.begin, piece.end);
      ASSERT_LE(piece.end, drawn.chunk_bytes);
      if (i > 0) {
        const PlannedPiece& before = pieces[i - 1];
        const auto place = [](const PlannedPiece& it) {
          return std::tuple(it.object, it.index, it.begin);
        };
        ASSERT_LT(place(before), place(piece)) << "run " << run;
      }
      std::uint32_t covered = 0;  // up to where no gap is too long
      for (std::size_t part = 0; part < piece.parts.size(); ++part) {
        const SinkPart& it = piece.parts[part];
        ASSERT_LT(it.begin, it.end);
        ASSERT_LE(it.end, piece.end - piece.begin);
        ASSERT_GE(it.begin, part == 0 ? 0 : piece.parts[part - 1].begin) << "run " << run;
        ASSERT_LE(it.begin, covered + (part == 0 ? 0 : drawn.most_gap)) << "run " << run;
        covered = std::max(covered, it.end);
        for (std::uint32_t at = it.begin; at < it.end; ++at) {
          it.to[at - it.begin] =
              planned_byte(piece.object, piece.index * drawn.chunk_bytes + piece.begin + at);
        }
      }
      ASSERT_EQ(covered, piece.end - piece.begin) << "run " << run;
    }
    for (const WantedRange& range : drawn.ranges) {
      for (std::size_t at = 0; at < range.to.size(); ++at)
        ASSERT_EQ(range.to[at], planned_byte(range.object, range.offset + at)) << "run " << run;
    }
  }
}

}  // namespace
}  // namespace ossmc
