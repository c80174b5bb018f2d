// What watches the random schedules does complain: a policy that makes one mistake, for each of the
// invariants.
#include "csrc/prefetch/invariant_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "csrc/prefetch/shuffled_transport.h"
#include "fetch/chunk_fetch.h"
#include "fetch/hedge.h"
#include "support/csrc/fake_transport.h"
#include "support/csrc/fetch_parts.h"

namespace ossmc {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint32_t kWatchedChunk = 64;
constexpr int kWatchedSlots = 4;

// The scheduler as the I/O threads see it, with a mistake in one answer.
class Meddler final : public WorkSource {
 public:
  explicit Meddler(Scheduler& scheduler) : scheduler_(scheduler) {}

  Exchange* next(int thread, const Occupancy& occupancy) noexcept override {
    if (instead) return instead();
    if (before) before();
    Exchange* const got =
        scheduler_.next(thread, {.busy = told_busy.value_or(occupancy.busy),
                                 .behind = told_behind.value_or(occupancy.behind)});
    if (after) after();
    return got;
  }
  TimePoint next_due() noexcept override { return scheduler_.next_due(); }

  std::function<Exchange*()> instead;
  std::function<void()> before;
  std::function<void()> after;
  std::optional<int> told_busy;
  std::optional<bool> told_behind;

 private:
  Scheduler& scheduler_;
};

// Whose fetches and hedges the scheduler does not know.
class Nobody final : public ChunkFetchOwner {
 public:
  Status on_version(ChunkFetch&, const ObjectVersion&, ByteRange) override { return Status::ok(); }
  void on_retry(ChunkFetch&, TimePoint) override {}
  void on_finished(ChunkFetch&, const Status&) override {}
  void on_hedge_ended(ChunkFetch&, bool) override {}
};

class InvariantWatchTest : public testing::Test {
 protected:
  // With memory for so many chunks.
  void build(std::uint64_t chunks) {
    budget_ = std::make_shared<Budget>(chunks * kWatchedChunk);
    scheduler_ =
        std::make_unique<Scheduler>(SchedulerOptions{.chunk_bytes = kWatchedChunk,
                                                     .slots = {.threads = 1,
                                                               .start_per_thread = kWatchedSlots,
                                                               .most_per_thread = kWatchedSlots}},
                                    parts_.context, budget_, pool_);
    watch_ = std::make_unique<InvariantWatch>(
        InvariantWatch::Options{.chunk_bytes = kWatchedChunk,
                                .pool = pool_.get(),
                                .least_slots = kWatchedSlots,
                                .most_slots = kWatchedSlots},
        *scheduler_, budget_, parts_.counters,
        [this](const std::string& what) { complaints_.push_back(what); }, nullptr);
    meddler_ = std::make_unique<Meddler>(*scheduler_);
    transport_ = std::make_unique<ShuffledTransport>(
        *meddler_, parts_.clock, parts_.counters,
        [this](const HttpRequest& request) {
          // Never played; it may have nothing to ask for.
          if (own_fetch_ != nullptr) return oss_error(416, "InvalidRange");
          return serve(objects_[key_of(request)], request);
        },
        1, *watch_);
    scheduler_->set_transport(transport_.get());
  }

  void TearDown() override {
    meddler_->instead = nullptr;
    meddler_->before = meddler_->after = nullptr;
    scheduler_->objects().close_all();
    transport_->stop(0);
    own_fetch_.reset();
    own_hedges_.clear();
    streams_.clear();
  }

  std::shared_ptr<ObjectStream> open(const std::string& key, std::uint64_t chunks) {
    objects_[key] = {.size = chunks * kWatchedChunk, .seed = 1, .etag = "E-" + key};
    watch_->will_open(key);
    auto stream = scheduler_->objects().open({"bucket", key});
    watch_->opened(stream, true);
    watch_->after_step();
    streams_.push_back(stream);
    return stream;
  }
  void ask(bool behind = false) {
    transport_->ask(0, behind);
    watch_->after_step();
  }
  // All that is in flight, to its end.
  void play() {
    while (transport_->exchanges(0) > 0) transport_->play(0, 0);
    watch_->after_step();
  }
  // Its first chunk is in memory; what follows is to be asked for.
  std::shared_ptr<ObjectStream> open_now(const std::string& key, std::uint64_t chunks) {
    auto stream = open(key, chunks);
    ask();
    play();
    EXPECT_EQ(stream->state(), StreamState::kOpen);
    return stream;
  }
  void claim(ObjectStream& stream, std::uint64_t index) {
    scheduler_->claims().claim(stream, index);
    watch_->after_step();
  }
  // The scheduler does not see, in this one question, that somebody waits for the chunk.
  void hide(ObjectStream& stream, std::uint64_t index) {
    ASSERT_EQ(stream.slot(index).work, ChunkSlot::Work::kUrgent);
    meddler_->before = [this, &stream, index] { scheduler_->claims().release(stream, index); };
    meddler_->after = [this, &stream, index] { scheduler_->claims().claim(stream, index); };
  }
  // In the place of what the scheduler would start: a fetch of its own of that chunk.
  void start_own_fetch(ObjectStream& stream, std::uint64_t index) {
    meddler_->instead = [this, &stream, index]() -> Exchange* {
      own_fetch_ = std::make_unique<ChunkFetch>(parts_.context, nobody_, stream.name(),
                                                &stream.version(), stream.slot(index).chunk,
                                                stream.chunk_begin(index), SeenBytes{});
      bool ready = false;
      EXPECT_TRUE(own_fetch_->prepare(&ready).is_ok() && ready);
      return own_fetch_.get();
    };
  }
  // A fetch for a hedge of its own to belong to.
  ChunkFetch& hedged(ObjectStream& stream) {
    hedged_.push_back(std::make_unique<ChunkFetch>(parts_.context, nobody_, stream.name(),
                                                   &stream.version(), stream.slot(1).chunk,
                                                   stream.chunk_begin(1), SeenBytes{}));
    return *hedged_.back();
  }
  void expect_right_so_far() { ASSERT_THAT(complaints_, IsEmpty()); }
  void expect_complaint(const std::string& text) {
    EXPECT_THAT(complaints_, Contains(HasSubstr(text)));
  }

  FetchParts parts_;
  Nobody nobody_;
  std::map<std::string, FakeObject> objects_;
  std::shared_ptr<Budget> budget_;
  std::shared_ptr<PagePool> pool_ =
      PagePool::make({.slot_bytes = kWatchedChunk, .keep_bytes = 0}, parts_.clock);
  std::vector<std::string> complaints_;
  std::vector<std::shared_ptr<ObjectStream>> streams_;
  std::unique_ptr<ChunkFetch> own_fetch_;
  std::vector<std::unique_ptr<ChunkFetch>> hedged_;
  std::vector<std::unique_ptr<Hedge>> own_hedges_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<InvariantWatch> watch_;
  std::unique_ptr<Meddler> meddler_;
  std::unique_ptr<ShuffledTransport> transport_;
};

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

// --- 1: memory ---

TEST_F(InvariantWatchTest, SeesMemoryThatTheBudgetDoesNotKnowOf) {
  build(8);
  const auto a = open_now("a", 6);
  expect_right_so_far();
  a->slot(1).chunk.begin_fill(pool_->take(kWatchedChunk), Ticket(), kWatchedChunk);
  start_own_fetch(*a, 1);
  ask();
  expect_complaint("bytes, the budget knows of");
}

TEST_F(InvariantWatchTest, SeesAStartWithoutMemory) {
  build(8);
  const auto a = open_now("a", 6);
  expect_right_so_far();
  start_own_fetch(*a, 1);
  ask();
  expect_complaint("without the memory for its chunk");
}

TEST_F(InvariantWatchTest, SeesThatTheReserveIsTaken) {
  build(8);
  const auto a = open_now("a", 6);
  expect_right_so_far();
  Ticket all;
  meddler_->after = [&] { all = Ticket::try_take(budget_, budget_->free_bytes()); };
  ask();
  expect_complaint("took memory of the reserve");
}

TEST_F(InvariantWatchTest, SeesTheEvictionOfWhatABlockedReaderHasClaimed) {
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

TEST_F(InvariantWatchTest, SeesTheEvictionOfTheUnreadWithSomethingConsumedThere) {
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

TEST_F(InvariantWatchTest, SeesWhatDidNotComeBack) {
  build(8);
  const Ticket forgotten = Ticket::try_take(budget_, 1);
  watch_->at_end(false);
  expect_complaint("1 bytes of the budget did not come back");
}

// --- 2: each chunk is fetched once, and hedged once at a time ---

TEST_F(InvariantWatchTest, SeesTwoFetchesOfOneChunk) {
  build(8);
  const auto a = open_now("a", 6);
  ask();
  ASSERT_EQ(a->slot(1).work, ChunkSlot::Work::kInFlight);
  expect_right_so_far();
  start_own_fetch(*a, 1);
  ask();
  expect_complaint("a#1[1] is fetched by two exchanges at a time");
}

TEST_F(InvariantWatchTest, SeesTwoExchangesWhereThreadsGiveWayToo) {
  build(8);
  InvariantWatch other(
      {.chunk_bytes = kWatchedChunk,
       .least_slots = kWatchedSlots,
       .most_slots = kWatchedSlots,
       .around_questions = false},
      *scheduler_, budget_, parts_.counters,
      [this](const std::string& what) { complaints_.push_back(what); }, nullptr);
  const auto a = open_now("a", 6);
  other.opened(a, true);
  ask();
  start_own_fetch(*a, 1);
  Exchange* const twice = meddler_->instead();
  other.after_ask(twice);
  expect_right_so_far();
  other.after_ask(twice);
  expect_complaint("a chunk is fetched by two exchanges at a time");
}

TEST_F(InvariantWatchTest, SeesAFetchOfWhatIsThere) {
  build(8);
  const auto a = open_now("a", 6);
  expect_right_so_far();
  start_own_fetch(*a, 0);
  ask();
  expect_complaint("a#1[0] is fetched though it is there");
}

TEST_F(InvariantWatchTest, SeesTwoHedgesOfOneChunk) {
  build(16);
  const auto a = open_now("a", 6);
  ask();
  ASSERT_EQ(a->slot(1).work, ChunkSlot::Work::kInFlight);
  meddler_->instead = [&]() -> Exchange* {
    own_hedges_.push_back(std::make_unique<Hedge>(
        parts_.context, hedged(*a), a->name(), a->version(),
        ByteRange{kWatchedChunk, 2 * kWatchedChunk}, pool_->take(kWatchedChunk),
        Ticket::try_take(budget_, kWatchedChunk)));
    EXPECT_TRUE(own_hedges_.back()->prepare());
    return own_hedges_.back().get();
  };
  ask();
  expect_right_so_far();
  ask();
  expect_complaint("a[1] has more hedges than fetches in flight");
}

TEST_F(InvariantWatchTest, SeesAHedgeWithoutMemory) {
  build(16);
  const auto a = open_now("a", 6);
  ask();
  expect_right_so_far();
  meddler_->instead = [&]() -> Exchange* {
    own_hedges_.push_back(std::make_unique<Hedge>(
        parts_.context, hedged(*a), a->name(), a->version(),
        ByteRange{kWatchedChunk, 2 * kWatchedChunk}, pool_->take(kWatchedChunk), Ticket()));
    EXPECT_TRUE(own_hedges_.back()->prepare());
    return own_hedges_.back().get();
  };
  ask();
  expect_complaint("a hedge was started without the memory for it");
}

TEST_F(InvariantWatchTest, SeesMoreHedgesThanTwoInAHundred) {
  build(16);
  const auto a = open_now("a", 6);
  ask();
  expect_right_so_far();
  meddler_->instead = [&]() -> Exchange* {
    add(parts_.counters.hedges);
    own_hedges_.push_back(std::make_unique<Hedge>(
        parts_.context, hedged(*a), a->name(), a->version(),
        ByteRange{kWatchedChunk, 2 * kWatchedChunk}, pool_->take(kWatchedChunk),
        Ticket::try_take(budget_, kWatchedChunk)));
    EXPECT_TRUE(own_hedges_.back()->prepare());
    return own_hedges_.back().get();
  };
  ask();
  expect_complaint("more hedges than 2 in 100");
}

// --- 3: what a blocked reader waits for is in flight or in line ---

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

// --- 4: order ---

TEST_F(InvariantWatchTest, SeesTheSweepGoBeforeABlockedReader) {
  build(16);
  const auto a = open_now("a", 6);
  claim(*a, 4);
  expect_right_so_far();
  hide(*a, 4);
  ask();
  expect_complaint("a#1[1], which nobody waits for, was started before the urgent a#1[4]");
}

TEST_F(InvariantWatchTest, SeesABlockedReaderOvertaken) {
  build(16);
  const auto a = open_now("a", 6);
  claim(*a, 4);
  claim(*a, 5);
  expect_right_so_far();
  hide(*a, 4);
  ask();
  expect_complaint("urgent a#1[5] was started before a#1[4]");
}

TEST_F(InvariantWatchTest, SeesFirstBytesOutOfTheOrderOfOpen) {
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

TEST_F(InvariantWatchTest, SeesAStartBeyondTheSlots) {
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

TEST_F(InvariantWatchTest, SeesAStartOnAThreadThatIsBehind) {
  build(16);
  open_now("a", 8);
  ask();
  ask(/*behind=*/true);
  expect_right_so_far();
  meddler_->told_behind = false;
  ask(/*behind=*/true);
  expect_complaint("was started on a thread that is behind");
}

// --- 5: no slot idles while something may start ---

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

}  // namespace
}  // namespace ossmc
