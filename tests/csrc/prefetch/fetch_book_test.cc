#include "prefetch/fetch_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <utility>

#include "csrc/prefetch/loose_streams.h"
#include "support/csrc/fetch_parts.h"

namespace ossmc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class FetchBookTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kBytes = LooseStreams::kChunkBytes;
  struct NoOwner final : ChunkFetchOwner {
    Status on_version(ChunkFetch&, const ObjectVersion&, ByteRange) override {
      return Status::ok();
    }
    std::optional<std::string> on_reply(ChunkFetch&, const ObjectVersion&) override { return {}; }
    void on_retry(ChunkFetch&, TimePoint) override {}
    void on_finished(ChunkFetch&, const Status&) override {}
    void on_hedge_ended(ChunkFetch&, bool) override {}
  };

  // A fetch of a chunk that began now.
  FetchBook::Entry& add(const LooseStreams::StreamPtr& stream, std::uint64_t index) {
    streams_.begin_fill(*stream, index);
    return add_filling(stream, index);
  }
  FetchBook::Entry& add_in_region(const LooseStreams::StreamPtr& stream, std::uint64_t index) {
    ChunkSlot& slot = stream->slot(index);
    slot.in_region = true;
    slot.chunk.begin_fill_at(stream->plan.region->data() + stream->chunk_begin(index),
                             stream->chunk_length(index));
    FetchBook::Entry& entry = add_filling(stream, index);
    entry.in_region = true;
    return entry;
  }
  // With a hedge in progress for the whole chunk.
  void hedge(FetchBook::Entry& entry) {
    const std::uint64_t begin = entry.stream->chunk_begin(entry.index);
    entry.was_hedged = entry.hedge_runs = true;
    entry.fetch->own_hedge(std::make_unique<Hedge>(
        parts_.context, *entry.fetch, entry.stream->name(), entry.stream->version(),
        ByteRange{begin, begin + kBytes}, streams_.pool->take(kBytes),
        Ticket::try_take(streams_.budget, kBytes)));
  }
  TimePoint now() const { return parts_.clock.now(); }

  // --- second requests ---
  // Whole chunks took 200 ms, so that one is slow after 400; there may be hedges.
  void know_what_is_usual() {
    for (std::uint64_t i = 0; i < 2 * HedgeRule::kLeastSamples; ++i)
      parts_.counters.chunk_whole_us.record(200'000);
    ossmc::add(parts_.counters.requests, 100 * HedgeRule::kRequestsPerHedge);
  }
  FetchBook::Entry* slowest(bool nothing_else = false) {
    return book_.slowest(now(), parts_.counters, nothing_else);
  }

  NoOwner owner_;
  FetchParts parts_;
  LooseStreams streams_;
  const LooseStreams::StreamPtr a_ = streams_.open_chunks(8);
  const LooseStreams::StreamPtr b_ = streams_.open_chunks(8);
  ViewMemory views_;
  FetchBook book_;

 private:
  FetchBook::Entry& add_filling(const LooseStreams::StreamPtr& stream, std::uint64_t index) {
    ChunkSlot& slot = stream->slot(index);
    slot.work = ChunkSlot::Work::kInFlight;
    FetchBook::Entry entry;
    entry.fetch =
        std::make_unique<ChunkFetch>(parts_.context, owner_, stream->name(), &stream->version(),
                                     slot.chunk, stream->chunk_begin(index));
    entry.stream = stream;
    entry.index = index;
    entry.started_at = now();
    return book_.add(std::move(entry));
  }
};

TEST_F(FetchBookTest, AFetchIsThereUntilItsEnd) {
  EXPECT_TRUE(book_.empty());
  const ChunkFetch* const fetch = add(a_, 3).fetch.get();
  EXPECT_FALSE(book_.empty());
  EXPECT_EQ(book_.at(*fetch).index, 3U);
  EXPECT_EQ(book_.find(fetch), &book_.at(*fetch));
  const FetchBook::Entry ended = book_.end(*fetch);
  EXPECT_EQ(ended.fetch.get(), fetch);  // the caller's to destroy
  EXPECT_EQ(ended.stream, a_);
  EXPECT_EQ(ended.index, 3U);
  EXPECT_FALSE(ended.hedge_runs);
  EXPECT_EQ(book_.find(fetch), nullptr);
  EXPECT_TRUE(book_.empty());
}

// --- retries ---

TEST_F(FetchBookTest, RetriesAreHandedOutInTheOrderOfTheirTimes) {
  EXPECT_EQ(book_.next_due(), TimePoint::max());
  FetchBook::Entry& first = add(a_, 1);
  FetchBook::Entry& second = add(a_, 2);
  const TimePoint began = now();
  book_.park(first, began + seconds(2));
  book_.park(second, began + seconds(1));
  EXPECT_EQ(book_.next_due(), began + seconds(1));
  EXPECT_EQ(book_.next_retry(began), nullptr);
  EXPECT_EQ(book_.next_retry(began + seconds(1)), second.fetch.get());
  EXPECT_EQ(book_.next_retry(began + seconds(5)), second.fetch.get());
  book_.unpark(second, began + seconds(5));
  EXPECT_FALSE(second.is_parked);
  EXPECT_EQ(second.started_at, began + seconds(5));
  EXPECT_EQ(book_.next_retry(began + seconds(5)), first.fetch.get());
  book_.unpark(first, began + seconds(6));
  EXPECT_EQ(book_.next_due(), TimePoint::max());
  EXPECT_FALSE(book_.empty());
}

TEST_F(FetchBookTest, WhatIsNotParkedIsNotUnparked) {
  FetchBook::Entry& entry = add(a_, 1);
  const TimePoint began = now();
  book_.unpark(entry, began + seconds(5));
  EXPECT_EQ(entry.started_at, began);
}

TEST_F(FetchBookTest, CloseEndsWhatIsInProgressAndTakesWhatIsParkedOutOfItsLine) {
  ChunkFetch* const running = add(a_, 1).fetch.get();
  FetchBook::Entry& parked = add(a_, 2);
  FetchBook::Entry& other = add(b_, 1);
  hedge(book_.at(*running));
  book_.park(parked, now());
  book_.park(other, now() + seconds(1));
  EXPECT_THAT(book_.cancel_stream(*a_), ElementsAre(parked.fetch.get()));
  EXPECT_TRUE(running->cancelled());
  EXPECT_TRUE(running->hedge()->cancelled());
  EXPECT_TRUE(parked.fetch->cancelled());
  EXPECT_FALSE(parked.is_parked);
  EXPECT_FALSE(other.fetch->cancelled());
  EXPECT_EQ(book_.next_due(), now() + seconds(1));
  EXPECT_THAT(book_.cancel_stream(*a_), IsEmpty());
  book_.end(*parked.fetch);  // as the caller does
}

// --- whose the fetch is at the end ---

TEST_F(FetchBookTest, AFetchThatEndsBeforeItsHedgeIsKeptUntilThatHasEnded) {
  FetchBook::Entry& entry = add(a_, 3);
  const ChunkFetch& fetch = *entry.fetch;
  hedge(entry);
  const FetchBook::Entry ended = book_.end(fetch);
  EXPECT_EQ(ended.fetch, nullptr);
  EXPECT_TRUE(ended.hedge_runs);
  EXPECT_EQ(ended.stream, a_);
  EXPECT_EQ(ended.index, 3U);
  EXPECT_TRUE(fetch.hedge()->cancelled());
  EXPECT_TRUE(book_.empty());
  ASSERT_NE(book_.find(&fetch), nullptr);
  EXPECT_TRUE(book_.at(fetch).has_ended);
  EXPECT_EQ(book_.end_hedge(fetch).get(), &fetch);  // and is destroyed here
  EXPECT_EQ(book_.find(&fetch), nullptr);
}

TEST_F(FetchBookTest, AFetchThatEndsBehindItsHedgeIsGivenAtItsOwnEnd) {
  FetchBook::Entry& entry = add(a_, 3);
  const ChunkFetch* const fetch = entry.fetch.get();
  hedge(entry);
  EXPECT_EQ(book_.end_hedge(*fetch), nullptr);
  EXPECT_FALSE(entry.hedge_runs);
  EXPECT_FALSE(book_.empty());
  EXPECT_FALSE(fetch->hedge()->cancelled());  // it may be used
  const FetchBook::Entry ended = book_.end(*fetch);
  EXPECT_EQ(ended.fetch.get(), fetch);
  EXPECT_FALSE(ended.hedge_runs);
  EXPECT_EQ(book_.find(fetch), nullptr);
}

// --- second requests ---

TEST_F(FetchBookTest, LooksForTheSlowestNowAndThenAndOnlyWhileSomethingIsInProgress) {
  know_what_is_usual();
  EXPECT_FALSE(book_.is_time_to_look(now()));
  EXPECT_EQ(book_.look_at(), TimePoint::max());
  const ChunkFetch* const fetch = add(a_, 1).fetch.get();
  a_->slot(1).claims = 1;
  EXPECT_TRUE(book_.is_time_to_look(now()));
  EXPECT_EQ(slowest(), nullptr);  // it is not slow yet
  EXPECT_FALSE(book_.is_time_to_look(now()));
  EXPECT_GT(book_.look_at(), now());
  EXPECT_LE(book_.look_at(), now() + milliseconds(100));
  parts_.clock.advance(book_.look_at() - now());
  EXPECT_TRUE(book_.is_time_to_look(now()));
  parts_.clock.advance(seconds(1));
  ASSERT_NE(slowest(), nullptr);
  EXPECT_EQ(slowest(), nullptr);  // too soon
  book_.end(*fetch);
  EXPECT_EQ(book_.look_at(), TimePoint::max());
}

TEST_F(FetchBookTest, TheSlowestIsTheOneLongestInProgressThenTheFirstInTheOrderOfOpen) {
  know_what_is_usual();
  add(b_, 0);
  parts_.clock.advance(milliseconds(1));
  add(b_, 1);
  add(a_, 5);
  add(a_, 4);
  add(a_, 6);
  for (const std::uint64_t i : {0, 1}) b_->slot(i).claims = 1;
  for (const std::uint64_t i : {4, 5, 6}) a_->slot(i).claims = 1;
  const auto next = [&] {
    parts_.clock.advance(seconds(1));
    FetchBook::Entry* const entry = slowest();
    if (entry == nullptr) return std::pair<std::uint64_t, std::uint64_t>{0, 0};
    entry->was_hedged = true;
    return std::pair{entry->stream->sequence(), entry->index};
  };
  EXPECT_EQ(next(), std::pair(b_->sequence(), std::uint64_t{0}));
  EXPECT_EQ(next(), std::pair(a_->sequence(), std::uint64_t{4}));
  EXPECT_EQ(next(), std::pair(a_->sequence(), std::uint64_t{5}));
  EXPECT_EQ(next(), std::pair(a_->sequence(), std::uint64_t{6}));
  EXPECT_EQ(next(), std::pair(b_->sequence(), std::uint64_t{1}));
  EXPECT_EQ(next().first, 0U);  // each gets one
}

TEST_F(FetchBookTest, OnlyWhatMayUseASecondRequestGetsOne) {
  know_what_is_usual();
  FetchBook::Entry& parked = add(a_, 1);
  FetchBook::Entry& ended = add(a_, 2);
  FetchBook::Entry& unclaimed = add(a_, 4);
  add(b_, 1);
  for (const std::uint64_t i : {1, 2}) a_->slot(i).claims = 1;
  b_->slot(1).claims = 1;
  book_.park(parked, now() + seconds(100));
  hedge(ended);
  ended.was_hedged = false;
  book_.end(*ended.fetch);
  b_->become_closed();
  parts_.clock.advance(seconds(10));
  EXPECT_EQ(slowest(), nullptr);
  parts_.clock.advance(seconds(10));
  EXPECT_EQ(slowest(/*nothing_else=*/true), &unclaimed);
}

// The other one would be held back as well, and take bytes of the limit twice.
TEST_F(FetchBookTest, AFetchThatIsHeldBackForTheLimitOfBytesIsNotSlow) {
  know_what_is_usual();
  ChunkFetch& held = *add(a_, 1).fetch;
  a_->slot(1).claims = 1;
  held.on_held_back(true);
  parts_.clock.advance(seconds(10));
  EXPECT_EQ(held.held_back(now()), seconds(10));
  EXPECT_EQ(slowest(), nullptr);
  held.on_held_back(false);
  parts_.clock.advance(milliseconds(300));
  EXPECT_EQ(slowest(), nullptr) << "300 ms on its own";
  held.on_held_back(true);
  parts_.clock.advance(seconds(5));
  held.on_held_back(false);
  EXPECT_EQ(held.held_back(now()), seconds(15));
  parts_.clock.advance(milliseconds(200));
  EXPECT_NE(slowest(), nullptr) << "500 ms on its own";
}

TEST_F(FetchBookTest, NoSecondRequestWhereTooManyHaveBeenMadeOrWhatIsUsualIsNotKnown) {
  add(a_, 1);
  a_->slot(1).claims = 1;
  ossmc::add(parts_.counters.requests, HedgeRule::kRequestsPerHedge);
  parts_.clock.advance(seconds(100));
  EXPECT_EQ(slowest(), nullptr);
  EXPECT_EQ(book_.look_at(), now() + seconds(1));
  know_what_is_usual();
  ossmc::add(parts_.counters.hedges, 101);
  parts_.clock.advance(seconds(2));
  EXPECT_EQ(slowest(), nullptr);
  ossmc::add(parts_.counters.requests, HedgeRule::kRequestsPerHedge);
  parts_.clock.advance(seconds(2));
  EXPECT_NE(slowest(), nullptr);
}

// --- what closed objects hold ---

TEST_F(FetchBookTest, OfClosedObjectsTheChunksInProgressAndTheirHedgesDrain) {
  add(a_, 1);
  FetchBook::Entry& hedged = add(a_, 2);
  hedge(hedged);
  add(b_, 1);
  EXPECT_EQ(book_.draining_bytes(views_), 0U);
  a_->become_closed();
  EXPECT_EQ(book_.draining_bytes(views_), 3 * kBytes);
  book_.end(*hedged.fetch);  // its chunk is given back, its hedge runs
  EXPECT_EQ(book_.draining_bytes(views_), 2 * kBytes);
  book_.end_hedge(*hedged.fetch);
  EXPECT_EQ(book_.draining_bytes(views_), kBytes);
}

TEST_F(FetchBookTest, OfAClosedObjectItsRegionDrainsOnceUnlessAViewHasIt) {
  views_.add(*a_, streams_.region_for(*a_));
  for (const std::uint64_t i : {1, 2}) add_in_region(a_, i);
  const auto region = a_->plan.region;
  views_.use(*region);
  views_.remove_stream(*a_);
  a_->become_closed();
  EXPECT_EQ(book_.draining_bytes(views_), 0U);
  views_.end_use(*region);
  EXPECT_EQ(book_.draining_bytes(views_), a_->size());
  a_->plan.region = nullptr;  // given back
  EXPECT_EQ(book_.draining_bytes(views_), 0U);
}

}  // namespace
}  // namespace ossmc
