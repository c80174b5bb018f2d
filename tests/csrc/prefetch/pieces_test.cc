// Reads that cost what they ask: what is asked for, and what is not.
#include "prefetch/pieces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "csrc/prefetch/pieces_fixture.h"
#include "prefetch/hedge_rule.h"

namespace ossmc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;
using Work = ChunkSlot::Work;

// --- small reads ---

TEST_F(PiecesTest, ASmallColdReadIsOneRequestOfItsOwnSize) {
  const auto a = house_.open_known("a", false);
  expect_read(*a, 7 * kChunk + 1234, 100);
  EXPECT_THAT(asked(), ElementsAre(name_of("a", 7 * kChunk + 1234, 100)));
  EXPECT_EQ(house_.budget->peak_bytes(), 0U);
  expect_clean_end();
}

TEST_F(PiecesTest, AndOneInEachChunkItLiesIn) {
  const auto a = house_.open_known("a", false);
  expect_read(*a, 8 * kChunk - 10, 30);
  EXPECT_THAT(asked(),
              ElementsAre(name_of("a", 8 * kChunk - 10, 10), name_of("a", 8 * kChunk, 20)));
}

TEST_F(PiecesTest, NothingElseOfAnObjectThatIsNotPrefetchedIsAskedFor) {
  const auto a = house_.open_known("a", false);
  settle();
  EXPECT_THAT(asked(), IsEmpty());
  for (const std::uint64_t i : {5, 30, 2}) expect_read(*a, i * kChunk + 7, 64);
  settle();
  EXPECT_EQ(asked_so_far(), 3U);
}

TEST_F(PiecesTest, WithoutPiecesAReadComesByChunksAsBefore) {
  const auto a = house_.open_known("a", false);
  ASSERT_TRUE(house_.read(*a, 7 * kChunk + 1234, 100, &got_, false).is_ok());
  EXPECT_THAT(asked(), Contains(chunk_request("a", 7)));
}

TEST_F(PiecesTest, WhatIsInMemoryIsNotAskedForAgain) {
  const auto a = house_.open_known("a", false);
  ASSERT_TRUE(house_.read(*a, 7 * kChunk, kChunk, &got_, false).is_ok());
  settle();
  const std::size_t before = asked_so_far();
  expect_read(*a, 7 * kChunk + 5, 1000);
  expect_read(*a, 7 * kChunk - 5, 1000);
  EXPECT_THAT(asked(before), ElementsAre(name_of("a", 7 * kChunk - 5, 5)));
}

TEST_F(PiecesTest, AChunkInFlightIsWaitedFor) {
  const auto a = house_.open_known("a", false);
  house_.scheduler.claims().claim(*a, 7);
  house_.transport.step();
  expect_read(*a, 7 * kChunk + 500, 100);
  EXPECT_THAT(asked(), ElementsAre(chunk_request("a", 7)));
  house_.scheduler.claims().release(*a, 7);
  expect_clean_end();
}

TEST_F(PiecesTest, RangesNearEachOtherAreOneRequestAndFarOnesAreNot) {
  const auto a = house_.open_known("a", false);
  // 10 ms a round trip at 1 ms for 100 KiB: nothing in a chunk is far.
  std::string one(10, '?');
  std::string two(10, '?');
  std::string three(10, '?');
  const auto span = [](std::string& to) { return std::as_writable_bytes(std::span(to)); };
  const std::vector<StreamPart> parts = {
      {3 * kChunk + 9000, span(one)}, {5 * kChunk + 1, span(two)}, {3 * kChunk + 100, span(three)}};
  ASSERT_TRUE(read_stream_parts(house_.scheduler, *a, parts, options(), settles_).is_ok());
  EXPECT_EQ(one, house_.expected("a", 3 * kChunk + 9000, 10));
  EXPECT_EQ(two, house_.expected("a", 5 * kChunk + 1, 10));
  EXPECT_EQ(three, house_.expected("a", 3 * kChunk + 100, 10));
  EXPECT_THAT(asked(),
              ElementsAre(name_of("a", 3 * kChunk + 100, 8910), name_of("a", 5 * kChunk + 1, 10)));
}

// --- reads in order ---

// With chunks of 1 MiB.
class PiecesInOrderTest : public PiecesTest {
 protected:
  static constexpr std::uint64_t kMiB = 1u << 20;
  static HouseOptions large_chunks() {
    HouseOptions options = pieces_options();
    options.chunk_bytes = kMiB;
    options.budget_bytes = 64 * kMiB;
    options.pieces.large_unprefetched_bytes = 16 * kMiB;
    return options;
  }
  PiecesInOrderTest() : PiecesTest(large_chunks()) { house_.add_object("big", 40 * kMiB); }

  // Reads [begin, end) in steps; what is then in flight or there, comes.
  void read_on(ObjectStream& stream, std::uint64_t begin, std::uint64_t end, std::uint64_t step) {
    for (std::uint64_t at = begin; at < end; at += step)
      ASSERT_NO_FATAL_FAILURE(expect_read(stream, at, std::min(step, end - at), true));
  }
  // How many of the object's chunks were asked for whole.
  std::size_t chunks_asked() const {
    const std::vector<std::string> all = asked();
    return static_cast<std::size_t>(std::ranges::count_if(
        all, [](const std::string& one) { return one.ends_with("+" + std::to_string(kMiB)); }));
  }
};

TEST_F(PiecesInOrderTest, SmallReadsInOrderBringTwiceAsMuchEachTimeAndThenChunks) {
  const auto big = house_.open_known("big", false);
  read_on(*big, 0, kMiB + 4096, 4096);
  const std::vector<std::string> all = asked();
  ASSERT_GE(all.size(), 8U);
  std::uint64_t at = 0;
  std::vector<std::uint64_t> sizes = {4096, 32 << 10};
  while (sizes.back() < kMiB / 2) {
    at += sizes[sizes.size() - 2];
    sizes.push_back(at + sizes.back());
  }
  at = 0;
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    EXPECT_EQ(all[i], name_of("big", at, sizes[i]));
    at += sizes[i];
  }
  // The last one ends with its chunk.
  EXPECT_EQ(all[sizes.size() - 1], name_of("big", at, kMiB - at));
  EXPECT_THAT(all, Contains(name_of("big", kMiB, kMiB)));
}

TEST_F(PiecesInOrderTest, ThenOneChunkIsReadAheadThenTwoThenFour) {
  const auto big = house_.open_known("big", false);
  read_on(*big, 0, kMiB, 4096);
  EXPECT_EQ(chunks_asked(), 0U);
  // Behind the chunk that is claimed at its begin, and then behind each that was read.
  std::vector<std::size_t> ahead;
  read_on(*big, kMiB, kMiB + 4096, 4096);
  settle();
  ahead.push_back(chunks_asked() - 1);
  std::uint64_t begin = kMiB + 4096;
  for (std::uint64_t i = 1; i < 4; ++i) {
    read_on(*big, begin, (i + 1) * kMiB, 64 << 10);
    settle();
    ahead.push_back(chunks_asked() - i);
    begin = (i + 1) * kMiB;
  }
  EXPECT_THAT(ahead, ElementsAre(1, 2, 4, 8));
}

TEST_F(PiecesInOrderTest, AJumpEndsReadAhead) {
  const auto big = house_.open_known("big", false);
  read_on(*big, 0, 3 * kMiB, 64 << 10);
  settle();
  const std::size_t chunks = chunks_asked();
  EXPECT_GT(chunks, 3U);
  expect_read(*big, 30 * kMiB + 77, 100, true);
  settle();
  EXPECT_EQ(chunks_asked(), chunks);
  expect_clean_end();
}

TEST_F(PiecesInOrderTest, ReadsAtPlacesThatFollowEachOtherDoTheSame) {
  const auto big = house_.open_known("big", false);
  for (std::uint64_t at = 5 * kMiB; at < 7 * kMiB; at += 4096) expect_read(*big, at, 4096);
  EXPECT_GT(chunks_asked(), 0U);
  EXPECT_LT(asked_so_far(), 16U);
}

TEST_F(PiecesInOrderTest, AReadThatFollowsInTheMiddleOfAChunkDoesNotClaimIt) {
  const auto big = house_.open_known("big", false);
  expect_read(*big, 3 * kMiB, 2 * kMiB, true);  // a row long enough
  const std::size_t before = asked_so_far();
  expect_read(*big, 5 * kMiB + 30 * 1024, 100, true);
  EXPECT_THAT(asked(before), Contains(name_of("big", 5 * kMiB, kMiB)));  // near its begin
}

TEST_F(PiecesInOrderTest, WhatIsKeptForSmallReadsGoesWithTheObject) {
  const auto big = house_.open_known("big", false);
  for (std::uint64_t at = 0; at < 64 << 10; at += 4096) expect_read(*big, at, 4096, true);
  EXPECT_FALSE(big->plan.nearby.empty());
  house_.scheduler.objects().close(*big);
  EXPECT_TRUE(big->plan.nearby.empty());
  EXPECT_EQ(read(*big, 4096, 4096, settles_).code(), StatusCode::kClosed);
}

TEST_F(PiecesInOrderTest, ManyReadersWithoutRoomForMoreGetWhatTheyAskFor) {
  std::vector<std::shared_ptr<ObjectStream>> streams;
  for (int i = 0; i < 300; ++i) {
    streams.push_back(house_.open_known("big", false));
    expect_read(*streams.back(), 4096, 100, true);
    expect_read(*streams.back(), 4196, 100, true);
  }
  EXPECT_FALSE(streams.front()->plan.nearby.empty());
  EXPECT_TRUE(streams.back()->plan.nearby.empty());
  EXPECT_EQ(asked().back(), name_of("big", 4196, 100));
  expect_clean_end();
}

// --- jumps and the sweep ---

class PiecesJumpsTest : public PiecesTest {
 protected:
  // The object is open, its sweep in flight, and hangs.
  std::shared_ptr<ObjectStream> open_sweeping() {
    for (std::uint64_t i = 1; i < 16; ++i) hang_at("a", i * kChunk);
    auto a = house_.open_now("a");
    settle();
    EXPECT_EQ(house_.transport.in_progress(), kSlots);
    return a;
  }
  // So many, none of which follows another.
  void jump(ObjectStream& stream, int times) {
    for (int i = 0; i < times; ++i)
      ASSERT_NO_FATAL_FAILURE(
          expect_read(stream, (35 - next_jump_++) * kChunk + 99, 100, pieces_come_));
  }
  // The first one, which holds the sweep. `meanwhile`: before the transport sees what was ended.
  void first_jump(ObjectStream& stream, const std::function<void()>& meanwhile) {
    bool once = false;
    ScriptedInterrupt looks([&] {
      if (!std::exchange(once, true)) meanwhile();
      return pieces_come_.pending();
    });
    expect_read(stream, 10 * kChunk + 99, 100, looks);
    EXPECT_TRUE(stream.plan.is_held);
  }
  static constexpr int kSlots = 8;

 private:
  std::uint64_t next_jump_ = 0;
};

TEST_F(PiecesJumpsTest, AJumpHoldsTheSweepOfALargeObjectAndThreeEndIt) {
  const auto a = open_sweeping();
  EXPECT_EQ(house_.transport.in_progress(), kSlots);
  jump(*a, 1);
  EXPECT_TRUE(a->plan.is_held);
  EXPECT_FALSE(a->plan.is_paced);
  settle();
  // What was in flight for nobody is ended, its memory is free, and nothing is asked for.
  EXPECT_EQ(house_.transport.in_progress(), 0);
  EXPECT_EQ(house_.budget->used_bytes(), kChunk);
  EXPECT_EQ(asked_so_far(), 1U + kSlots + 1);
  jump(*a, 1);
  EXPECT_FALSE(a->plan.is_paced);
  jump(*a, 1);
  EXPECT_TRUE(a->plan.is_paced);
  // Reads go on.
  jump(*a, 2);
  expect_read(*a, 0, 100);
  EXPECT_EQ(asked_so_far(), 1U + kSlots + 5);
  expect_clean_end();
}

// As loaders do that read the end of a file first.
TEST_F(PiecesJumpsTest, AReadAtTheSweepsPlaceBringsItBack) {
  const auto a = open_sweeping();
  jump(*a, 2);
  settle();
  EXPECT_EQ(a->plan.sweep_next, 1U);  // of what was ended
  expect_read(*a, kChunk + 5, 100, pieces_come_);
  EXPECT_FALSE(a->plan.is_held);
  settle();
  EXPECT_EQ(house_.transport.in_progress(), kSlots);
}

TEST_F(PiecesJumpsTest, TheThirdTimeIsForGood) {
  const auto a = open_sweeping();
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(a->plan.is_paced) << i;
    jump(*a, 1);
    expect_read(*a, kChunk + 5 + i * 100, 100, pieces_come_);
  }
  EXPECT_TRUE(a->plan.is_paced);
  EXPECT_TRUE(a->plan.is_held);
}

TEST_F(PiecesJumpsTest, TheSweepOfOtherObjectsGoesOn) {
  const auto a = open_sweeping();
  const auto b = house_.open("b");
  jump(*a, 4);
  settle();
  EXPECT_THAT(asked(1 + kSlots), Contains(chunk_request("b", 30)));
}

TEST_F(PiecesJumpsTest, AReadThatFollowsForgivesThem) {
  const auto a = open_sweeping();
  jump(*a, 2);
  expect_read(*a, 34 * kChunk + 199, 100, pieces_come_);
  EXPECT_FALSE(a->plan.is_held);
  jump(*a, 2);
  EXPECT_FALSE(a->plan.is_paced);
}

TEST_F(PiecesJumpsTest, AnObjectOfWhichLittleIsLeftIsSweptOn) {
  house_.add_object("small", 9 * kChunk);
  const auto small = house_.open_now("small");
  settle();
  const std::size_t before = asked_so_far();
  EXPECT_EQ(before, 9U);
  const auto known = house_.open_known("small", true);  // 9 chunks left: more than 8
  for (const std::uint64_t i : {5, 2, 7, 3}) expect_read(*known, i * kChunk + 9, 100);
  EXPECT_TRUE(known->plan.is_paced);
  house_.add_object("smaller", 8 * kChunk);
  const auto smaller = house_.open_known("smaller", true);
  for (const std::uint64_t i : {5, 2, 7, 3}) expect_read(*smaller, i * kChunk + 9, 100);
  EXPECT_FALSE(smaller->plan.is_paced);
}

TEST_F(PiecesJumpsTest, WhatSomebodyClaimsOrCopiesFromIsNotEnded) {
  const auto a = open_sweeping();
  house_.scheduler.claims().claim(*a, 3);
  ASSERT_TRUE(a->slot(5).chunk.try_pin(100));
  jump(*a, 4);
  settle();
  EXPECT_EQ(house_.transport.in_progress(), 2);
  EXPECT_EQ(a->slot(3).work, Work::kInFlight);
  EXPECT_EQ(a->slot(5).work, Work::kInFlight);
  a->slot(5).chunk.unpin();
  house_.scheduler.claims().release(*a, 3);
  expect_clean_end();
}

TEST_F(PiecesJumpsTest, AChunkThatIsClaimedWhileItsFetchIsEndedComes) {
  const auto a = open_sweeping();
  first_jump(*a, [&] { house_.scheduler.claims().claim(*a, 3); });
  EXPECT_EQ(std::ranges::count(asked(), chunk_request("a", 3)), 2);
  EXPECT_EQ(a->slot(3).work, Work::kInFlight);
  house_.scheduler.claims().release(*a, 3);
  answer_once("a", 5 * kChunk, [](FakeReply reply) { return reply; });
  expect_read(*a, 5 * kChunk, kChunk);
  expect_clean_end();
}

// Its bytes that are there are copied just then.
TEST_F(PiecesJumpsTest, AndSoDoesOneThatIsCopiedFromMeanwhile) {
  const auto a = open_sweeping();
  Chunk& chunk = a->slot(3).chunk;
  first_jump(*a, [&] { ASSERT_TRUE(chunk.try_pin(100)); });
  EXPECT_EQ(chunk.view().phase, ChunkPhase::kFailed);
  answer_once("a", 3 * kChunk, [](FakeReply reply) { return reply; });
  int looks = 0;
  ScriptedInterrupt unpins([&] {
    if (++looks == 2) chunk.unpin();
    settle();
    return false;
  });
  expect_read(*a, 3 * kChunk + 10, kChunk - 10, unpins);
  expect_clean_end();
}

// It had failed before: who claimed it while somebody copied from it was told of that.
TEST_F(PiecesJumpsTest, AChunkWhoseFetchWasEndedWasTakenForFailed) {
  house_.parts.context.retry.max_attempts = 1;
  const auto a = open_sweeping();
  ChunkClaims& claims = house_.scheduler.claims();
  answer_once("a", 20 * kChunk, [](FakeReply) { return oss_error(500, "InternalError"); });
  claims.claim(*a, 20);
  settle();
  ASSERT_EQ(a->slot(20).failures, 1U);
  claims.release(*a, 20);
  hang_at("a", 20 * kChunk);
  claims.claim(*a, 20);
  settle();
  ASSERT_EQ(a->slot(20).work, Work::kInFlight);
  claims.release(*a, 20);
  Chunk& chunk = a->slot(20).chunk;
  first_jump(*a, [&] { ASSERT_TRUE(chunk.try_pin(100)); });
  ASSERT_EQ(chunk.view().phase, ChunkPhase::kFailed);
  answer_once("a", 20 * kChunk, [](FakeReply reply) { return reply; });
  ScriptedInterrupt unpins([&] {
    if (chunk.view().phase == ChunkPhase::kFailed && chunk.view().pins > 0) chunk.unpin();
    settle();
    return false;
  });
  expect_read(*a, 20 * kChunk, kChunk, unpins);
  expect_clean_end();
}

// --- large reads ---

TEST_F(PiecesTest, ALargeReadReceivesWholeChunksInPlace) {
  const auto a = house_.open_known("a", false);
  expect_read(*a, kChunk / 2, 10 * kChunk);
  EXPECT_EQ(asked_so_far(), 11U);
  EXPECT_EQ(house_.budget->peak_bytes(), 0U);
  expect_clean_end();
}

TEST_F(PiecesTest, ALargeReadOfAnObjectThatIsSweptToo) {
  const auto a = house_.open_now("a");
  expect_read(*a, 0, kObjectChunks * kChunk, pieces_come_);
  settle();
  // Neither the read nor the sweep asked for anything twice.
  std::vector<std::string> all = asked();
  EXPECT_EQ(all.size(), kObjectChunks);
  std::ranges::sort(all);
  EXPECT_EQ(std::ranges::adjacent_find(all), all.end());
}

TEST_F(PiecesTest, WhatACallReceivesWholeIsNotFetchedMeanwhile) {
  for (const std::uint64_t i : {12, 15}) hang_at("a", i * kChunk);
  const auto a = house_.open_now("a");
  int looks = 0;
  ScriptedInterrupt gives_up([&] {
    settle();
    EXPECT_EQ(a->slot(12).work, Work::kInPiece);
    return ++looks == 3;
  });
  EXPECT_EQ(read(*a, kChunk, 19 * kChunk, gives_up).code(), StatusCode::kInterrupted);
  std::vector<std::string> all = asked();
  EXPECT_EQ(all.size(), kObjectChunks);  // the sweep has gone round it
  std::ranges::sort(all);
  EXPECT_EQ(std::ranges::adjacent_find(all), all.end());
}

// The sweep had gone past what the call was to receive, and did not come back.
TEST_F(PiecesTest, WhatAnInterruptedCallDidNotReceiveWasNeverSwept) {
  for (const std::uint64_t i : {12, 15}) hang_at("a", i * kChunk);
  const auto a = house_.open_now("a");
  ScriptedInterrupt gives_up([&] {
    settle();
    return true;
  });
  EXPECT_EQ(read(*a, kChunk, 19 * kChunk, gives_up).code(), StatusCode::kInterrupted);
  const std::size_t before = asked_so_far();
  settle();
  EXPECT_THAT(asked(before), Contains(chunk_request("a", 12)));
  expect_clean_end();
}

// --- who wants a chunk that a call receives ---

// A call that receives chunks [10, 20) of "a"; of these 15 hangs.
class PiecesClaimedTest : public PiecesTest {
 protected:
  PiecesClaimedTest() {
    hang_at("a", 15 * kChunk);
    a_ = house_.open_known("a", false);
    buffer_.assign(10 * kChunk, '?');
    const StreamPart part{10 * kChunk, std::as_writable_bytes(std::span(buffer_))};
    started_ = house_.scheduler.pieces().start(a_, {&part, 1}, call_, ReadOptions{.pieces = true});
  }
  void end_call(bool handed_out) {
    call_->memory->take_back();
    house_.scheduler.pieces().end(*call_, started_.pieces, handed_out);
  }
  bool is_there(std::uint64_t index) {
    return a_->slot(index).chunk.view().phase == ChunkPhase::kReady;
  }

  std::shared_ptr<ObjectStream> a_;
  std::string buffer_;
  std::shared_ptr<PieceCall> call_ = std::make_shared<PieceCall>();
  PieceStart started_;
};

TEST_F(PiecesClaimedTest, ItComesByChunkWhenTheCallHasEnded) {
  ASSERT_EQ(started_.pieces.size(), 10U);
  house_.scheduler.claims().claim(*a_, 15);
  settle();
  EXPECT_EQ(a_->slot(15).work, Work::kInPiece);
  EXPECT_FALSE(is_there(15));
  answer_once("a", 15 * kChunk, [](FakeReply reply) { return reply; });
  end_call(false);
  settle();
  EXPECT_TRUE(is_there(15));
  house_.scheduler.claims().release(*a_, 15);
  expect_clean_end();
}

TEST_F(PiecesClaimedTest, AReadOfOneChunkWaitedForTheEndOfTheWholeCall) {
  settle();
  ASSERT_EQ(call_->missing.load(), 1U);
  expect_read(*a_, 12 * kChunk + 100, 100);  // came before
  expect_clean_end();
}

TEST_F(PiecesClaimedTest, SoDidOneThatWaitedBeforeItCame) {
  bool once = false;
  ScriptedInterrupt looks([&] {
    EXPECT_TRUE(std::exchange(once, true) || a_->slot(12).work == Work::kInPiece);
    settle();
    return false;
  });
  expect_read(*a_, 12 * kChunk + 100, 100, looks);
  EXPECT_EQ(call_->missing.load(), 1U);
  expect_clean_end();
}

// Two calls that each received what the other one waited for.
TEST_F(PiecesClaimedTest, TwoCallsWaitedForEachOther) {
  const auto b = house_.open_known("b", false);
  const ReadOptions how = options();
  PieceRead one(house_.scheduler, how, pieces_come_);
  PieceRead two(house_.scheduler, how, pieces_come_);
  std::string to(4 * kLargeRead, '?');
  const auto part_of = [&](std::size_t place) {
    return StreamPart{
        20 * kChunk, std::as_writable_bytes(std::span(to)).subspan(place * kLargeRead, kLargeRead)};
  };
  const std::vector<StreamPart> parts[4] = {{part_of(0)}, {part_of(1)}, {part_of(2)}, {part_of(3)}};
  EXPECT_THAT(one.start(a_, parts[0]), IsEmpty());
  EXPECT_THAT(two.start(b, parts[1]), IsEmpty());
  EXPECT_THAT(one.start(b, parts[2]), Not(IsEmpty()));
  EXPECT_THAT(two.start(a_, parts[3]), Not(IsEmpty()));
  settle();
  // Each reads by chunks what the other one receives, before it ends.
  expect_read(*b, 20 * kChunk, kLargeRead);
  expect_read(*a_, 20 * kChunk, kLargeRead);
  EXPECT_TRUE(one.wait().is_ok());
  EXPECT_TRUE(two.wait().is_ok());
}

TEST_F(PiecesClaimedTest, OneThatIsFarBackInTheCallIsReceivedNext) {
  // Nothing has been asked for yet.
  house_.scheduler.claims().claim(*a_, 18);
  house_.transport.step();
  EXPECT_EQ(asked().front(), chunk_request("a", 18));
  house_.scheduler.claims().release(*a_, 18);
  end_call(false);
  expect_clean_end();
}

// A read holds no chunk that is older in line than the one it waits for
// (docs/decisions/0002-scheduling.md): else two of them hold what the other one waits for.
TEST_F(PiecesClaimedTest, AChunkThatACallHadReceivedWentToTheEndOfTheLine) {
  house_.scheduler.claims().claim(*a_, 15);
  settle();
  house_.scheduler.claims().claim(*a_, 30);
  hang_at("a", 30 * kChunk);
  end_call(false);
  EXPECT_EQ(a_->slot(15).work, Work::kUrgent);
  EXPECT_LT(a_->slot(15).place_in_line, a_->slot(30).place_in_line);
  house_.scheduler.claims().release(*a_, 15);
  house_.scheduler.claims().release(*a_, 30);
  expect_clean_end();
}

// It has no place in line while others fill the memory.
TEST_F(PiecesClaimedTest, AReadThatWaitsForOneClaimedOthersBehindIt) {
  std::vector<std::byte> to(25 * kChunk);
  ScriptedInterrupt looks([&] {
    settle();
    for (std::uint64_t i = 20; i < kObjectChunks; ++i) EXPECT_EQ(a_->slot(i).claims, 0U) << i;
    return true;
  });
  EXPECT_EQ(read_stream(house_.scheduler, *a_, 15 * kChunk, to.data(), to.size(),
                        {.progress_limit = std::chrono::hours(1)}, looks)
                .code(),
            StatusCode::kInterrupted);
}

}  // namespace
}  // namespace ossmc
