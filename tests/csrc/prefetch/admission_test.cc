#include "prefetch/admission.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "csrc/prefetch/loose_streams.h"

namespace ossmc {
namespace {

// A budget of eight chunks, of which two are the reserve.
class AdmissionTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kBytes = LooseStreams::kChunkBytes;
  static constexpr std::uint64_t kBudgetChunks = 8;

  void add_unread(ObjectStream& stream, std::uint64_t index) {
    streams_.add_unread(residency_, stream, index);
  }
  void add_consumed(ObjectStream& stream, std::uint64_t index) {
    streams_.add_consumed(residency_, stream, index);
  }
  // A region with all its chunks in it, which nobody uses.
  void add_region(ObjectStream& stream) {
    views_.add(stream, streams_.region_for(stream));
    for (std::uint64_t i = 0; i < stream.chunk_count(); ++i)
      LooseStreams::fill_in_region(stream, i);
  }
  // Memory that is in use otherwise, so that so many chunks are free.
  void leave_free(std::uint64_t chunks) {
    const std::uint64_t used = streams_.budget->free_bytes() - chunks * kBytes;
    others_.push_back(Ticket::try_take(streams_.budget, used));
    ASSERT_TRUE(others_.back());
  }
  static bool is_there(ObjectStream& stream, std::uint64_t index) {
    return LooseStreams::is_there(stream, index);
  }

  LooseStreams streams_{kBudgetChunks * kBytes};
  const LooseStreams::StreamPtr a_ = streams_.open_chunks(8);
  const LooseStreams::StreamPtr b_ = streams_.open_chunks(2);
  const LooseStreams::StreamPtr c_ = streams_.open_chunks(8);
  // They end before the streams.
  Residency residency_{{.of_object = 4 * kBytes}};
  ViewMemory views_;
  Positions positions_;
  WorkingSet working_set_{8 * kBytes};
  Admission admission_{streams_.budget, LooseStreams::kChunkBytes, residency_, views_, positions_,
                       working_set_};
  TimePoint now_ = TimePoint{} + std::chrono::seconds(1);
  FreedMemory freed_;
  std::vector<Ticket> others_;
};

TEST_F(AdmissionTest, TheReserveIsTwoChunksOrASixteenthAndAtMostHalf) {
  EXPECT_EQ(admission_.reserve_bytes(), 2 * kBytes);
  const auto reserve = [&](std::uint64_t budget_bytes) {
    return Admission(std::make_shared<Budget>(budget_bytes), LooseStreams::kChunkBytes, residency_,
                     views_, positions_, working_set_)
        .reserve_bytes();
  };
  EXPECT_EQ(reserve(64 * kBytes), 4 * kBytes);
  EXPECT_EQ(reserve(3 * kBytes), 3 * kBytes / 2);
  EXPECT_EQ(reserve(kBytes), kBytes / 2);
}

TEST_F(AdmissionTest, WhatNobodyWaitsForLeavesTheReserveFreeAndWhatSomebodyWaitsForTakesIt) {
  std::vector<Ticket> tickets;
  for (int i = 0; i < 6; ++i) {
    tickets.push_back(admission_.for_ahead(*a_, kBytes, true, now_, &freed_));
    EXPECT_TRUE(tickets.back()) << i;
  }
  EXPECT_FALSE(admission_.is_starved());
  EXPECT_FALSE(admission_.for_ahead(*a_, kBytes, true, now_, &freed_));
  EXPECT_TRUE(admission_.is_starved());
  admission_.set_starved(false);
  const Ticket open = admission_.for_open(kBytes, false, &freed_);
  EXPECT_TRUE(open);
  const Ticket read = admission_.for_reader(kBytes, &freed_);
  EXPECT_TRUE(read);
  EXPECT_FALSE(admission_.is_starved());
  EXPECT_FALSE(admission_.for_reader(kBytes, &freed_));
  EXPECT_TRUE(admission_.is_starved());
}

TEST_F(AdmissionTest, AHedgeGivesNothingUp) {
  add_consumed(*a_, 0);
  leave_free(3);
  EXPECT_TRUE(admission_.for_hedge(kBytes, false));
  EXPECT_FALSE(admission_.for_hedge(2 * kBytes, false));  // of the reserve
  EXPECT_TRUE(admission_.for_hedge(3 * kBytes, true));
  EXPECT_FALSE(admission_.for_hedge(4 * kBytes, true));
  EXPECT_TRUE(is_there(*a_, 0));
}

// --- what goes, in which order ---

TEST_F(AdmissionTest, ConsumedChunksGoFirstThenIdleRegionsThenUnreadChunksFurthestInTheOrder) {
  add_consumed(*c_, 7);
  add_consumed(*a_, 0);
  add_unread(*a_, 1);
  add_unread(*c_, 2);
  add_region(*b_);
  leave_free(0);
  const auto read = [&] { return admission_.for_reader(kBytes, &freed_); };
  std::vector<Ticket> tickets;
  tickets.push_back(read());
  EXPECT_FALSE(is_there(*c_, 7));
  tickets.push_back(read());
  EXPECT_FALSE(is_there(*a_, 0));
  EXPECT_NE(b_->plan.region, nullptr);
  EXPECT_TRUE(freed_.regions.empty());
  tickets.push_back(read());
  EXPECT_EQ(b_->plan.region, nullptr);
  EXPECT_EQ(freed_.regions.size(), 1U);
  tickets.push_back(read());  // the region was of two chunks
  EXPECT_TRUE(is_there(*c_, 2));
  tickets.push_back(read());
  EXPECT_FALSE(is_there(*c_, 2));
  EXPECT_TRUE(is_there(*a_, 1));
  tickets.push_back(read());
  EXPECT_FALSE(is_there(*a_, 1));
  for (const Ticket& ticket : tickets) EXPECT_TRUE(ticket);
  EXPECT_FALSE(read());
}

TEST_F(AdmissionTest, TheSweepComesBackToWhatWasGivenUpUnread) {
  add_consumed(*a_, 0);
  add_unread(*a_, 3);
  add_unread(*c_, 1);
  for (const auto& stream : {a_, c_}) {
    stream->plan.is_swept = true;
    stream->plan.sweep_next = 8;
  }
  leave_free(0);
  EXPECT_TRUE(admission_.for_reader(kBytes, &freed_));
  EXPECT_EQ(positions_.next_in_sweep(0), nullptr);  // what was consumed is not fetched again
  EXPECT_FALSE(admission_.is_starved());
  leave_free(0);
  const Ticket ticket = admission_.for_reader(2 * kBytes, &freed_);
  EXPECT_TRUE(ticket);
  EXPECT_EQ(a_->plan.sweep_next, 3U);
  EXPECT_EQ(c_->plan.sweep_next, 1U);
  EXPECT_EQ(positions_.next_in_sweep(0), a_.get());
  EXPECT_EQ(positions_.next_in_sweep(a_->sequence()), c_.get());
  EXPECT_TRUE(admission_.is_starved());  // look again when memory comes free
}

TEST_F(AdmissionTest, TheBudgetCountsBlocks) {
  const auto small = streams_.open(100);
  const std::uint64_t block = streams_.pool->block_bytes(100);
  ASSERT_GT(block, 100U);
  add_consumed(*small, 0);
  leave_free(0);
  const Ticket ticket = admission_.for_reader(block, &freed_);
  EXPECT_TRUE(ticket);
  EXPECT_EQ(streams_.budget->free_bytes(), 0U);
  positions_.remove(*small);
}

// --- nothing in vain ---

TEST_F(AdmissionTest, AReadGathersWhatIsNotEnoughYet) {
  add_consumed(*a_, 0);
  add_unread(*c_, 0);
  leave_free(0);
  EXPECT_FALSE(admission_.for_reader(3 * kBytes, &freed_));
  EXPECT_FALSE(is_there(*a_, 0));
  EXPECT_FALSE(is_there(*c_, 0));
  EXPECT_EQ(streams_.budget->free_bytes(), 2 * kBytes);
  EXPECT_TRUE(admission_.is_starved());
}

TEST_F(AdmissionTest, AnOpenGivesUpNothingUnread) {
  add_consumed(*a_, 0);
  add_unread(*c_, 0);
  leave_free(0);
  EXPECT_FALSE(admission_.for_open(2 * kBytes, false, &freed_));
  EXPECT_TRUE(is_there(*a_, 0));  // in vain
  EXPECT_TRUE(admission_.for_open(kBytes, false, &freed_));
  EXPECT_FALSE(is_there(*a_, 0));
  EXPECT_TRUE(is_there(*c_, 0));
}

TEST_F(AdmissionTest, AnOpenAtAnyCostGivesUpWhatIsUnreadIfThatIsEnough) {
  add_consumed(*a_, 0);
  add_unread(*c_, 0);
  leave_free(0);
  EXPECT_FALSE(admission_.for_open(3 * kBytes, true, &freed_));
  EXPECT_TRUE(is_there(*a_, 0));
  EXPECT_TRUE(is_there(*c_, 0));
  EXPECT_TRUE(admission_.for_open(2 * kBytes, true, &freed_));
  EXPECT_FALSE(is_there(*a_, 0));
  EXPECT_FALSE(is_there(*c_, 0));
  EXPECT_TRUE(admission_.sweep_has_room());  // an open is no jump
}

TEST_F(AdmissionTest, ReadAheadGivesUpNothingWhereTheReserveWouldNotBeLeft) {
  add_consumed(*c_, 0);
  add_consumed(*c_, 1);
  add_unread(*c_, 2);
  leave_free(0);
  EXPECT_FALSE(admission_.for_ahead(*a_, 2 * kBytes, true, now_, &freed_));
  for (const std::uint64_t i : {0, 1, 2}) EXPECT_TRUE(is_there(*c_, i)) << i;
  EXPECT_FALSE(admission_.for_ahead(*a_, kBytes, false, now_, &freed_));
  for (const std::uint64_t i : {0, 1, 2}) EXPECT_TRUE(is_there(*c_, i)) << i;
  EXPECT_TRUE(admission_.for_ahead(*a_, kBytes, true, now_, &freed_));
  for (const std::uint64_t i : {0, 1, 2}) EXPECT_FALSE(is_there(*c_, i)) << i;
}

TEST_F(AdmissionTest, ReadAheadGivesUpNothingUnreadOfItsOwnObject) {
  for (const std::uint64_t i : {1, 2, 3}) add_unread(*c_, i);
  leave_free(0);
  EXPECT_FALSE(admission_.for_ahead(*c_, kBytes, true, now_, &freed_));
  for (const std::uint64_t i : {1, 2, 3}) EXPECT_TRUE(is_there(*c_, i)) << i;
  EXPECT_TRUE(admission_.for_ahead(*a_, kBytes, true, now_, &freed_));
}

// --- fresh memory ---

// The sweep touched all the memory that the budget allowed, though the line was full.
TEST_F(AdmissionTest, WhatWasReadServesAgainBeforeFreshMemoryDoes) {
  for (std::uint64_t i = 0; i < 5; ++i) add_consumed(*c_, i);
  const std::uint64_t used = streams_.budget->used_bytes();
  const Ticket sweep = admission_.for_sweep(kBytes, now_, &freed_);
  EXPECT_TRUE(sweep);
  EXPECT_FALSE(is_there(*c_, 0)) << "the one beyond the last four";
  const Ticket next = admission_.for_sweep(kBytes, now_, &freed_);
  EXPECT_TRUE(next);
  EXPECT_TRUE(is_there(*c_, 1)) << "kept, as long as the budget has room";
  EXPECT_EQ(streams_.budget->used_bytes(), used + kBytes);
}

class WorkingSetOfAdmissionTest : public AdmissionTest {
 protected:
  // More than may be ready is unread, and somebody is reading.
  void SetUp() override {
    big_ = streams_.open(2 * kReady);
    for (std::uint64_t i = 0; i * kBytes <= kReady; ++i) add(*big_, i);
    working_set_.note_use(now_);
  }
  void add(ObjectStream& stream, std::uint64_t index) {
    Ticket ticket = Ticket::try_take(budget_, kBytes);
    ASSERT_TRUE(ticket);
    Chunk& chunk = stream.slot(index).chunk;
    chunk.begin_fill(streams_.pool->take(kBytes), std::move(ticket), kBytes);
    LooseStreams::append_rest(stream, index);
    chunk.finish();
    residency_.add(stream, index);
  }

  const std::uint64_t kReady = working_set_.ready_bytes();
  const std::shared_ptr<Budget> budget_ = std::make_shared<Budget>(4 * kReady);
  LooseStreams::StreamPtr big_;
  Residency residency_{{.of_object = 0}};
  Admission admission_{budget_,     LooseStreams::kChunkBytes, residency_, views_, positions_,
                       working_set_};
};

TEST_F(WorkingSetOfAdmissionTest, TheSweepTakesNoFreshMemoryWhileEnoughLiesReady) {
  EXPECT_FALSE(admission_.for_sweep(kBytes, now_, &freed_));
  EXPECT_TRUE(admission_.is_starved()) << "who frees memory wakes the I/O threads";
  EXPECT_FALSE(admission_.for_ahead(*big_, kBytes, true, now_, &freed_));
  residency_.mark_consumed(*big_, 0);
  residency_.mark_consumed(*big_, 1);
  const std::uint64_t used = budget_->used_bytes();
  EXPECT_TRUE(admission_.for_sweep(kBytes, now_, &freed_));
  EXPECT_FALSE(is_there(*big_, 0));
  EXPECT_LT(budget_->used_bytes(), used) << "the ticket is gone, and the chunk with it";
}

TEST_F(WorkingSetOfAdmissionTest, WhoIsWaitedForTakesFreshMemory) {
  EXPECT_TRUE(admission_.for_reader(kBytes, &freed_));
  EXPECT_TRUE(admission_.for_open(kBytes, false, &freed_));
  EXPECT_TRUE(admission_.for_ahead(*a_, kBytes, true, now_, &freed_)) << "it has nothing ready";
  EXPECT_FALSE(admission_.is_starved());
}

TEST_F(WorkingSetOfAdmissionTest, WhileNobodyReadsTheSweepGoesOnToTheBudget) {
  const TimePoint quiet = now_ + WorkingSet::kQuietAfter;
  EXPECT_FALSE(admission_.for_sweep(kBytes, quiet - std::chrono::milliseconds(1), &freed_));
  std::vector<Ticket> tickets;
  while (Ticket ticket = admission_.for_sweep(kBytes, quiet, &freed_))
    tickets.push_back(std::move(ticket));
  EXPECT_LT(budget_->free_bytes(), admission_.reserve_bytes() + kBytes);
}

// --- reads that jump ---

TEST_F(AdmissionTest, WhereReadsJumpTheSweepLeavesThemWhatTheyTakeUntilAllAreClosed) {
  EXPECT_EQ(admission_.jump_bytes(), 2 * kBytes);
  for (std::uint64_t i = 0; i < 8; ++i) add_unread(*c_, i);
  EXPECT_TRUE(admission_.sweep_has_room());
  const Ticket jump = admission_.for_ahead(*a_, kBytes, true, now_, &freed_);
  ASSERT_TRUE(jump);
  EXPECT_FALSE(admission_.sweep_has_room());
  // A chunk, the reserve, and a quarter of the budget, free or consumed.
  for (const std::uint64_t i : {0, 1}) residency_.mark_consumed(*c_, i);
  EXPECT_FALSE(admission_.sweep_has_room());
  residency_.mark_consumed(*c_, 2);
  EXPECT_TRUE(admission_.sweep_has_room());
  residency_.forget(*c_, 2);
  EXPECT_FALSE(admission_.sweep_has_room());
  admission_.all_are_closed();
  EXPECT_TRUE(admission_.sweep_has_room());
}

// --- regions ---

TEST_F(AdmissionTest, ARegionThatSomethingIsDoneWithStays) {
  add_region(*b_);
  leave_free(0);
  const auto stays = [&] {
    const bool stayed = !admission_.for_reader(kBytes, &freed_);
    return stayed && b_->plan.region != nullptr && is_there(*b_, 0) && is_there(*b_, 1);
  };
  const auto region = b_->plan.region;
  views_.use(*region);
  EXPECT_TRUE(stays());
  views_.end_use(*region);
  b_->slot(1).claims = 1;
  EXPECT_TRUE(stays());
  b_->slot(1).claims = 0;
  b_->slot(1).work = ChunkSlot::Work::kInFlight;
  EXPECT_TRUE(stays());
  b_->slot(1).work = ChunkSlot::Work::kNone;
  EXPECT_FALSE(residency_.take_met_pins());
  ASSERT_TRUE(b_->slot(1).chunk.try_pin(1));
  EXPECT_TRUE(stays());
  EXPECT_TRUE(residency_.take_met_pins());
  b_->slot(1).chunk.unpin();
  EXPECT_FALSE(stays());
}

TEST_F(AdmissionTest, OfAnIdleRegionThatGoesTheSweepFetchesAgainWhatWasNotRead) {
  add_region(*b_);
  LooseStreams::hand_out(*b_, 0);
  b_->plan.is_swept = true;
  b_->plan.sweep_next = 2;
  const auto region = b_->plan.region;
  leave_free(0);
  const Ticket ticket = admission_.for_reader(2 * kBytes, &freed_);
  EXPECT_TRUE(ticket);
  EXPECT_EQ(views_.next(0), nullptr);
  EXPECT_EQ(region->ticket_bytes(), 0U);  // its part of the budget is free though it is mapped
  EXPECT_FALSE(is_there(*b_, 0));
  EXPECT_FALSE(is_there(*b_, 1));
  EXPECT_EQ(positions_.next_in_sweep(0), b_.get());
  EXPECT_EQ(b_->plan.sweep_next, 1U);
}

TEST_F(AdmissionTest, AChunkOfAnIdleRegionThatHasABlockOfItsOwnStillGoesWithIt) {
  streams_.fill(*b_, 0);
  residency_.add(*b_, 0);
  const auto region = ViewRegion::make(b_->size()).value();
  region->absorb(Ticket::try_take(streams_.budget, kBytes));  // it counts on the chunk's
  views_.add(*b_, region);
  LooseStreams::fill_in_region(*b_, 1);
  leave_free(0);
  const Ticket ticket = admission_.for_reader(2 * kBytes, &freed_);
  EXPECT_TRUE(ticket);
  EXPECT_EQ(freed_.blocks.size(), 1U);
  EXPECT_EQ(streams_.budget->free_bytes(), 0U);
  EXPECT_FALSE(residency_.can_free(1, Residency::Goes::kUnreadToo, nullptr));  // it is forgotten
}

TEST_F(AdmissionTest, ForARegionAllMayGoButItsOwnChunks) {
  add_consumed(*a_, 0);
  add_unread(*a_, 1);
  add_unread(*c_, 0);
  add_consumed(*c_, 1);
  add_region(*b_);
  leave_free(0);
  EXPECT_FALSE(admission_.for_region(*c_, 5 * kBytes, &freed_));
  EXPECT_TRUE(is_there(*c_, 0));
  EXPECT_TRUE(is_there(*c_, 1));
  EXPECT_FALSE(is_there(*a_, 0));
  EXPECT_FALSE(is_there(*a_, 1));
  EXPECT_EQ(b_->plan.region, nullptr);
  EXPECT_TRUE(admission_.for_region(*c_, 4 * kBytes, &freed_));
}

}  // namespace
}  // namespace ossmc
