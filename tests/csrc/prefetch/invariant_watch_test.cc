// What watches the random schedules does complain: a policy that makes one mistake, for each of the
// invariants of a step, a turn and a run.
#include "csrc/prefetch/invariant_watch.h"

#include "csrc/prefetch/watch_fixture.h"

namespace ossmc {
namespace {

using InvariantWatchTest = WatchTest;

TEST_F(InvariantWatchTest, HasNothingToSayOfTheRealPolicy) {
  build(16);
  const auto a = open("a", 6);
  const auto b = open("b", 2);
  for (int i = 0; i < 12; ++i) {
    ask();
    if (i % 3 == 2) play();
  }
  claim(*a, 4);
  while (transport_->has_reason_to_ask(0)) ask();
  watch_->after_turn(*transport_, {}, false);
  play();
  expect_right_so_far();
}

// --- after a step ---

TEST_F(InvariantWatchTest, SeesMemoryThatTheBudgetDoesNotKnowOf) {
  build(8);
  const auto a = open_now("a", 6);
  expect_right_so_far();
  a->slot(1).chunk.begin_fill(pool_->take(kWatchedChunk), Ticket(), kWatchedChunk);
  start_own_fetch(*a, 1);
  ask();
  expect_complaint("bytes, the budget knows of");
}

TEST_F(InvariantWatchTest, SeesWhatAReadThatIsOverLeftInLine) {
  build(16);
  const auto a = open_now("a", 6);
  claim(*a, 4);
  expect_right_so_far();
  --a->slot(4).claims;
  watch_->after_step();
  expect_complaint("a#1[4] is in line, and nobody waits for it");
  ++a->slot(4).claims;
}

TEST_F(InvariantWatchTest, SeesAClosedObjectInLine) {
  build(16);
  const auto a = open_now("a", 6);
  scheduler_->objects().close(*a);
  watch_->after_step();
  expect_right_so_far();
  a->slot(4).work = ChunkSlot::Work::kUrgent;
  watch_->after_step();
  expect_complaint("a#1[4] is in line though it is closed");
  a->slot(4).work = ChunkSlot::Work::kNone;
}

TEST_F(InvariantWatchTest, SeesAReaderThatIsInNoList) {
  build(16);
  const auto a = open_now("a", 1);
  expect_right_so_far();
  a->plan.reading = true;
  watch_->after_step();
  expect_complaint("a#1[0] is in 1 lists, and should be in 2");
  a->plan.reading = false;
}

TEST_F(InvariantWatchTest, SeesAnObjectThatIsReadAheadThoughItSaysOtherwise) {
  build(16);
  const auto a = open_now("a", 6);
  scheduler_->claims().note_read(*a, 0, false, true);
  watch_->after_step();
  expect_right_so_far();
  a->plan.reading = false;
  watch_->after_step();
  expect_complaint("a#1[0] is in 3 lists, and should be in 1");
  a->plan.reading = true;
}

// --- after a turn: what a blocked reader waits for is in flight or in line ---

TEST_F(InvariantWatchTest, SeesAReaderWhoseChunkIsForgotten) {
  build(16);
  const auto a = open_now("a", 6);
  claim(*a, 4);
  const void* const word = &a->slot(4).chunk;
  watch_->after_turn(*transport_, {word}, /*view_waits=*/true);
  complaints_.clear();  // that it is first in line, and does not start
  meddler_->before = [&] { scheduler_->claims().release(*a, 4); };
  ask();
  expect_right_so_far();
  watch_->after_turn(*transport_, {word}, /*view_waits=*/true);
  expect_complaint("somebody waits for a#1[4], which is neither in flight nor in line");
}

TEST_F(InvariantWatchTest, SeesAReaderWhoWaitsForWhatIsThere) {
  build(16);
  const auto a = open_now("a", 1);
  expect_right_so_far();
  watch_->after_turn(*transport_, {&a->slot(0).chunk}, false);
  expect_complaint("somebody waits for a#1[0], whose fetch has ended");
}

// --- after a turn: no slot idles while something may start ---

TEST_F(InvariantWatchTest, SeesTheFirstInLineLeftWaiting) {
  build(16);
  const auto a = open_now("a", 6);
  claim(*a, 4);
  meddler_->instead = [] { return nullptr; };
  ask();
  expect_right_so_far();
  watch_->after_turn(*transport_, {}, false);
  expect_complaint("the first in line for 64 bytes waits");
}

TEST_F(InvariantWatchTest, SeesTheSweepStandStill) {
  build(16);
  open_now("a", 6);
  meddler_->instead = [] { return nullptr; };
  ask();
  expect_right_so_far();
  watch_->after_turn(*transport_, {}, false);
  expect_complaint("the first of the sweep, a#1[1], does not start");
}

// --- after a run ---

TEST_F(InvariantWatchTest, SeesAClaimThatNobodyHasAnyMore) {
  build(16);
  const auto a = open_now("a", 6);
  claim(*a, 4);
  expect_right_so_far();
  watch_->after_callers();
  expect_complaint("a#1[4] is claimed, and nobody reads");
}

TEST_F(InvariantWatchTest, SeesWhatDidNotComeBack) {
  build(8);
  const Ticket forgotten = Ticket::try_take(budget_, 1);
  watch_->at_end(false);
  expect_complaint("1 bytes of the budget did not come back");
}

}  // namespace
}  // namespace ossmc
