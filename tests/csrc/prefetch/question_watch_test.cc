// What watches the random schedules does complain: a policy that makes one mistake, for each of the
// invariants around a question.
#include "csrc/prefetch/question_watch.h"

#include "csrc/prefetch/watch_fixture.h"

namespace ossmc {
namespace {

using QuestionWatchTest = WatchTest;

// --- memory ---

TEST_F(QuestionWatchTest, SeesAStartWithoutMemory) {
  build(8);
  const auto a = open_now("a", 6);
  expect_right_so_far();
  start_own_fetch(*a, 1);
  ask();
  expect_complaint("without the memory for its chunk");
}

TEST_F(QuestionWatchTest, SeesThatTheReserveIsTaken) {
  build(8);
  const auto a = open_now("a", 6);
  expect_right_so_far();
  Ticket all;
  meddler_->after = [&] { all = Ticket::try_take(budget_, budget_->free_bytes()); };
  ask();
  expect_complaint("took memory of the reserve");
}

TEST_F(QuestionWatchTest, SeesTheEvictionOfWhatABlockedReaderHasClaimed) {
  build(8);
  const auto a = open_now("a", 6);
  claim(*a, 0);
  expect_right_so_far();
  meddler_->before = [&] {
    Block block;
    Ticket ticket;
    EXPECT_TRUE(a->slot(0).chunk.try_take_block(&block, &ticket));
  };
  ask();
  expect_complaint("was evicted though a blocked read had claimed it");
}

TEST_F(QuestionWatchTest, SeesTheEvictionOfTheUnreadWithSomethingConsumedThere) {
  build(16);
  const auto a = open_now("a", 6);
  ask();
  play();
  a->slot(0).chunk.mark_handed_out(0, kWatchedChunk);
  watch_->after_step();
  expect_right_so_far();
  meddler_->before = [&] {
    Block block;
    Ticket ticket;
    EXPECT_TRUE(a->slot(1).chunk.try_take_block(&block, &ticket));
  };
  ask();
  expect_complaint("which is consumed, was not");
}

// --- each chunk is fetched once, and hedged once at a time ---

TEST_F(QuestionWatchTest, SeesTwoFetchesOfOneChunk) {
  build(8);
  const auto a = open_now("a", 6);
  ask();
  ASSERT_EQ(a->slot(1).work, ChunkSlot::Work::kInFlight);
  expect_right_so_far();
  start_own_fetch(*a, 1);
  ask();
  expect_complaint("a#1[1] is fetched by two exchanges at a time");
}

TEST_F(QuestionWatchTest, SeesTwoExchangesWhereThreadsGiveWayToo) {
  build(8);
  InvariantWatch other(
      {.chunk_bytes = kWatchedChunk,
       .least_slots = kWatchedSlots,
       .most_slots = kWatchedSlots,
       .around_questions = false},
      *scheduler_, budget_, parts_.counters,
      [this](const std::string& what) { complaints_.push_back(what); }, nullptr);
  const auto a = open_now("a", 6);
  other.streams().opened(a, true);
  ask();
  start_own_fetch(*a, 1);
  Exchange* const twice = meddler_->instead();
  other.questions().after_ask(twice);
  expect_right_so_far();
  other.questions().after_ask(twice);
  expect_complaint("a chunk is fetched by two exchanges at a time");
}

TEST_F(QuestionWatchTest, SeesAFetchOfWhatIsThere) {
  build(8);
  const auto a = open_now("a", 6);
  expect_right_so_far();
  start_own_fetch(*a, 0);
  ask();
  expect_complaint("a#1[0] is fetched though it is there");
}

TEST_F(QuestionWatchTest, SeesTwoHedgesOfOneChunk) {
  build(16);
  const auto a = open_now("a", 6);
  ask();
  ASSERT_EQ(a->slot(1).work, ChunkSlot::Work::kInFlight);
  meddler_->instead = [&] { return own_hedge(*a, /*with_ticket=*/true); };
  ask();
  expect_right_so_far();
  ask();
  expect_complaint("a[1] has more hedges than fetches in flight");
}

TEST_F(QuestionWatchTest, SeesAHedgeWithoutMemory) {
  build(16);
  const auto a = open_now("a", 6);
  ask();
  expect_right_so_far();
  meddler_->instead = [&] { return own_hedge(*a, /*with_ticket=*/false); };
  ask();
  expect_complaint("a hedge was started without the memory for it");
}

TEST_F(QuestionWatchTest, SeesMoreHedgesThanTwoInAHundred) {
  build(16);
  const auto a = open_now("a", 6);
  ask();
  expect_right_so_far();
  meddler_->instead = [&] {
    add(parts_.counters.hedges);
    return own_hedge(*a, /*with_ticket=*/true);
  };
  ask();
  expect_complaint("more hedges than 2 in 100");
}

// --- order ---

TEST_F(QuestionWatchTest, SeesTheSweepGoBeforeABlockedReader) {
  build(16);
  const auto a = open_now("a", 6);
  claim(*a, 4);
  expect_right_so_far();
  hide(*a, 4);
  ask();
  expect_complaint("a#1[1], which nobody waits for, was started before the urgent a#1[4]");
}

TEST_F(QuestionWatchTest, SeesABlockedReaderOvertaken) {
  build(16);
  const auto a = open_now("a", 6);
  claim(*a, 4);
  claim(*a, 5);
  expect_right_so_far();
  hide(*a, 4);
  ask();
  expect_complaint("urgent a#1[5] was started before a#1[4]");
}

TEST_F(QuestionWatchTest, SeesFirstBytesOutOfTheOrderOfOpen) {
  build(16);
  const auto a = open("a", 2);
  const auto b = open("b", 2);
  expect_right_so_far();
  meddler_->instead = [&]() -> Exchange* {
    Chunk& chunk = b->slot(0).chunk;
    chunk.begin_fill(pool_->take(kWatchedChunk), Ticket::try_take(budget_, kWatchedChunk),
                     kWatchedChunk);
    own_fetch_ =
        std::make_unique<ChunkFetch>(parts_.context, nobody_, b->name(), nullptr, chunk, 0);
    bool ready = false;
    EXPECT_TRUE(own_fetch_->prepare(&ready).is_ok() && ready);
    return own_fetch_.get();
  };
  ask();
  expect_complaint("the first byte of b#2[0] was asked for before that of a#1[0]");
}

TEST_F(QuestionWatchTest, SeesAStartBeyondTheSlots) {
  build(16);
  open_now("a", 8);
  for (int i = 0; i < kWatchedSlots; ++i) ask();
  ASSERT_EQ(transport_->busy(0), kWatchedSlots);
  ask();
  expect_right_so_far();
  meddler_->told_busy = 0;
  ask();
  expect_complaint("was started beyond the usual slots");
}

TEST_F(QuestionWatchTest, SeesAStartOnAThreadThatIsBehind) {
  build(16);
  open_now("a", 8);
  ask();
  ask(/*behind=*/true);
  expect_right_so_far();
  meddler_->told_behind = false;
  ask(/*behind=*/true);
  expect_complaint("was started on a thread that is behind");
}

}  // namespace
}  // namespace ossmc
