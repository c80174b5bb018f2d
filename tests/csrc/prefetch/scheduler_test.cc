// The scheduler's invariants, on the real code over a transport in virtual time.
#include "prefetch/scheduler.h"

#include <algorithm>
#include <random>
#include <set>

#include "base/crc64.h"
#include "csrc/prefetch/scheduler_fixture.h"
#include "support/csrc/long_run.h"

namespace ossmc {
namespace {

TEST(SchedulerTest, FirstBytesAreAskedForInTheOrderOfOpen) {
  SchedulerHouse house;
  std::vector<std::shared_ptr<ObjectStream>> streams;
  for (int i = 0; i < 6; ++i) {
    const std::string key = "o" + std::to_string(i);
    house.add_object(key, kChunk / 2);
    streams.push_back(house.open(key));
  }
  house.transport.run();
  EXPECT_EQ(house.ranges(),
            (std::vector<std::string>{"o0@0", "o1@0", "o2@0", "o3@0", "o4@0", "o5@0"}));
}

TEST(SchedulerTest, SweepGoesThroughObjectsInTheOrderOfOpenAndFetchesEachChunkOnce) {
  SchedulerHouse house;
  house.add_object("a", 3 * kChunk);
  house.add_object("b", 3 * kChunk);
  const auto a = house.open_now("a");
  const auto b = house.open_now("b");
  house.transport.run();
  const std::vector<std::string> ranges = house.ranges();
  EXPECT_EQ(std::set<std::string>(ranges.begin(), ranges.end()).size(), ranges.size());
  EXPECT_EQ(ranges.size(), 6U);
  const auto place = [&](const std::string& range) {
    return std::find(ranges.begin(), ranges.end(), range) - ranges.begin();
  };
  EXPECT_LT(place("a@65536"), place("b@131072"));
  EXPECT_LT(place("a@131072"), place("b@131072"));
}

TEST(SchedulerTest, SweepLeavesTheReserveOfBlockedReadersFree) {
  SchedulerHouse house({.budget_bytes = 8 * kChunk});
  house.add_object("a", 100 * kChunk);
  const auto a = house.open_now("a");
  house.transport.run();
  EXPECT_EQ(house.budget->used_bytes(), 6 * kChunk);  // 8 less the reserve of 2 chunks
  EXPECT_EQ(house.scheduler.limited_by(), "reader");
}

// Its network brings more than it can take in: only what somebody waits for is added to that.
TEST(SchedulerTest, AThreadThatIsBehindTakesOnlyWhatIsUrgent) {
  SchedulerHouse house({.budget_bytes = 64 * kChunk, .threads = 1});
  house.add_object("a", 40 * kChunk);
  const auto a = house.open("a");
  house.transport.set_behind(true);
  while (house.transport.started().size() < 5) ASSERT_TRUE(house.transport.step());
  EXPECT_EQ(house.transport.most_in_progress(), 1);
  EXPECT_EQ(house.scheduler.limited_by(), "cpu");
  for (const std::uint64_t i : {30, 31}) house.scheduler.claims().claim(*a, i);
  ASSERT_TRUE(house.transport.step());
  EXPECT_EQ(house.ranges().at(5), "a@" + std::to_string(30 * kChunk));
  EXPECT_EQ(house.ranges().at(6), "a@" + std::to_string(31 * kChunk));
  EXPECT_EQ(house.transport.in_progress(), 3);
  house.transport.set_behind(false);
  ASSERT_TRUE(house.transport.step());
  EXPECT_EQ(house.transport.in_progress(), 4);  // all its slots
  house.transport.run();
  EXPECT_EQ(house.ranges().size(), 40U);
  for (const std::uint64_t i : {30, 31}) house.scheduler.claims().release(*a, i);
}

// They would wait for the same bytes, with their memory. A number that the user gave is heeded.
TEST(SchedulerTest, AThreadWithRequestsThatTheLimitHoldsBackTakesOnlyWhatIsUrgent) {
  SchedulerHouse house({.budget_bytes = 64 * kChunk,
                        .threads = 1,
                        .slots_per_thread = 8,
                        .most_slots_per_thread = 16});
  house.add_object("a", 40 * kChunk);
  const auto a = house.open("a");
  house.transport.set_held_back(Occupancy::kEnoughHeldBack);
  while (house.transport.started().size() < 5) ASSERT_TRUE(house.transport.step());
  EXPECT_EQ(house.transport.most_in_progress(), Occupancy::kEnoughHeldBack);
  EXPECT_EQ(house.scheduler.limited_by(), "limit");
  for (const std::uint64_t i : {30, 31}) house.scheduler.claims().claim(*a, i);
  const std::size_t before = house.ranges().size();
  while (house.ranges().size() < before + 2) ASSERT_TRUE(house.transport.step());
  EXPECT_EQ(house.ranges().at(before), "a@" + std::to_string(30 * kChunk));
  EXPECT_EQ(house.ranges().at(before + 1), "a@" + std::to_string(31 * kChunk));
  house.transport.set_held_back(0);
  house.transport.run();
  EXPECT_EQ(house.ranges().size(), 40U);
  for (const std::uint64_t i : {30, 31}) house.scheduler.claims().release(*a, i);
}

TEST(SchedulerTest, SlotsThatTheUserGaveAreFilledThoughTheLimitHoldsBack) {
  SchedulerHouse house({.budget_bytes = 64 * kChunk, .threads = 1, .slots_per_thread = 8});
  house.add_object("a", 40 * kChunk);
  house.transport.set_held_back(8);
  const auto a = house.open_now("a");
  while (house.transport.started().size() < 20) ASSERT_TRUE(house.transport.step());
  EXPECT_EQ(house.transport.most_in_progress(), 8);
  EXPECT_EQ(house.scheduler.limited_by(), "limit");
}

// More would only cost it time. Where it has time left it is not the limit, whatever it says.
TEST(SchedulerTest, AThreadThatIsTheLimitHasInProgressWhatIsEnoughAndWhatIsUrgent) {
  for (const bool is_limit : {false, true}) {
    SchedulerHouse house({.budget_bytes = 64 * kChunk,
                          .threads = 1,
                          .slots_per_thread = 8,
                          .thread_load = is_limit ? 0.95 : 0.8});
    house.add_object("a", 60 * kChunk);
    house.fault = [&house](const HttpRequest& request, std::size_t) {
      FakeReply reply = serve(house.objects["a"], request);
      reply.head_delay = std::chrono::milliseconds(100);
      return reply;
    };
    house.transport.set_enough(3);
    const auto a = house.open_now("a");
    // The load is known once it was measured twice; by then eight have been started.
    while (house.transport.started().size() < 30) ASSERT_TRUE(house.transport.step());
    ASSERT_TRUE(house.transport.step());
    EXPECT_EQ(house.transport.in_progress(), is_limit ? 3 : 8);
    EXPECT_EQ(house.scheduler.limited_by(), is_limit ? "cpu" : "network");
    for (const std::uint64_t i : {50, 51}) house.scheduler.claims().claim(*a, i);
    const std::size_t before = house.ranges().size();
    while (house.ranges().size() < before + 2) ASSERT_TRUE(house.transport.step());
    EXPECT_EQ(house.ranges().at(before), "a@" + std::to_string(50 * kChunk));
    EXPECT_EQ(house.ranges().at(before + 1), "a@" + std::to_string(51 * kChunk));
    house.transport.run();
    EXPECT_EQ(house.ranges().size(), 60U);
    for (const std::uint64_t i : {50, 51}) house.scheduler.claims().release(*a, i);
  }
}

TEST(SchedulerTest, BlockedReaderIsFirstInLineThoughEverySlotIsBusy) {
  SchedulerHouse house({.budget_bytes = 64 * kChunk});
  house.add_object("a", 60 * kChunk);
  const auto a = house.open_now("a");
  house.transport.step();
  const std::size_t before = house.transport.started().size();
  house.scheduler.claims().claim(*a, 50);
  house.transport.step();
  ASSERT_GT(house.transport.started().size(), before);
  EXPECT_EQ(SchedulerHouse::range_of(house.transport.started()[before].request),
            "a@" + std::to_string(50 * kChunk));
  house.scheduler.claims().release(*a, 50);
}

TEST(SchedulerTest, NothingOfALowerClassStartsWhileABlockedReadersChunkIsQueued) {
  SchedulerHouse house({.budget_bytes = 4 * kChunk, .threads = 1, .slots_per_thread = 4});
  house.add_object("a", 20 * kChunk);
  house.add_object("b", 20 * kChunk);
  const auto a = house.open_now("a");
  house.transport.run();
  // All memory is held by chunks that somebody claims: the next claim must wait, and so must the
  // sweep.
  for (const std::uint64_t i : {0, 1, 10, 11}) house.scheduler.claims().claim(*a, i);
  house.transport.run();
  const std::size_t before = house.transport.started().size();
  house.scheduler.claims().claim(*a, 15);
  house.transport.run();
  EXPECT_EQ(house.transport.started().size(), before);
  house.scheduler.claims().release(*a, 11);
  house.transport.run();
  ASSERT_GT(house.transport.started().size(), before);
  EXPECT_EQ(SchedulerHouse::range_of(house.transport.started()[before].request),
            "a@" + std::to_string(15 * kChunk));
  for (const std::uint64_t i : {0, 1, 10, 15}) house.scheduler.claims().release(*a, i);
}

TEST(SchedulerTest, OpenWithAllMemoryInFlightAsksWithHead) {
  SchedulerHouse house({.budget_bytes = 4 * kChunk, .threads = 1, .slots_per_thread = 8});
  house.add_object("a", 20 * kChunk);
  house.add_object("b", 3 * kChunk);
  const auto a = house.open_now("a");
  for (const std::uint64_t i : {5, 6, 7, 8}) house.scheduler.claims().claim(*a, i);
  house.transport.run();
  const auto b = house.open_now("b");
  EXPECT_EQ(house.heads, 1);
  for (const std::uint64_t i : {5, 6, 7, 8}) house.scheduler.claims().release(*a, i);
  std::string got;
  ASSERT_TRUE(house.read(*b, 0, 3 * kChunk, &got).is_ok());
  EXPECT_EQ(got, house.expected("b", 0, 3 * kChunk));
}

TEST(SchedulerTest, ManyObjectsUnderASmallBudgetReadInAnotherOrder) {
  SchedulerHouse house({.budget_bytes = 8 * kChunk});
  std::vector<std::shared_ptr<ObjectStream>> streams;
  std::vector<int> order;
  for (int i = 0; i < 40; ++i) {
    house.add_object("o" + std::to_string(i), 2 * kChunk + 17);
    streams.push_back(house.open_now("o" + std::to_string(i)));
    order.push_back(i);
  }
  std::mt19937 random(5);
  std::shuffle(order.begin(), order.end(), random);
  for (const int i : order) {
    std::string got;
    const Status status =
        house.read(*streams[static_cast<std::size_t>(i)], 0, 2 * kChunk + 17, &got);
    ASSERT_TRUE(status.is_ok()) << status.message();
    ASSERT_EQ(got, house.expected("o" + std::to_string(i), 0, 2 * kChunk + 17));
  }
  EXPECT_LE(house.budget->peak_bytes(), house.budget->limit_bytes());
}

TEST(SchedulerTest, ObjectsReadInAnotherOrderUnderASmallBudgetAreFetchedAboutOnce) {
  constexpr int kObjects = 12;
  constexpr std::uint64_t kChunks = 25;
  for (const std::uint32_t seed : {1U, 2U, 3U, 4U, 5U}) {
    SchedulerHouse house({.budget_bytes = 32 * kChunk, .slots_per_thread = 8, .seed = seed});
    std::vector<std::shared_ptr<ObjectStream>> streams;
    std::vector<int> order;
    for (int i = 0; i < kObjects; ++i) {
      house.add_object("o" + std::to_string(i), kChunks * kChunk);
      streams.push_back(house.open_now("o" + std::to_string(i)));
      order.push_back(i);
    }
    std::mt19937 random(seed);
    std::shuffle(order.begin(), order.end(), random);
    for (const int i : order) {
      house.transport.run();  // the network is faster than the reader: all that fits is there
      for (std::uint64_t chunk = 0; chunk < kChunks; ++chunk) {
        std::string got;
        ASSERT_TRUE(house.read(*streams[static_cast<std::size_t>(i)], chunk * kChunk, kChunk, &got)
                        .is_ok());
      }
    }
    EXPECT_LE(house.transport.started().size(), kObjects * kChunks * 115 / 100) << "seed " << seed;
  }
}

TEST(SchedulerTest, ConsumedChunksStayUntilMemoryIsWantedAndAreThenFetchedAnew) {
  SchedulerHouse house({.budget_bytes = 8 * kChunk});
  house.add_object("a", 4 * kChunk);
  house.add_object("b", 30 * kChunk);
  const auto a = house.open_now("a");
  std::string got;
  ASSERT_TRUE(house.read(*a, 0, 4 * kChunk, &got).is_ok());
  const std::size_t after_first = house.transport.started().size();
  ASSERT_TRUE(house.read(*a, 0, 10, &got, false).is_ok());
  EXPECT_EQ(house.transport.started().size(), after_first);  // it is there still
  const auto b = house.open_now("b");
  house.transport.run();
  ASSERT_TRUE(
      house.read(*a, 0, 4 * kChunk, &got).is_ok());  // some were given up for b, and come again
  EXPECT_EQ(got, house.expected("a", 0, 4 * kChunk));
  EXPECT_GT(load(house.parts.counters.refetches), 0U);
}

TEST(SchedulerTest, CloseGivesMemoryBackAtOnceAndCancelsWhatIsInFlight) {
  SchedulerHouse house;
  house.add_object("a", 100 * kChunk);
  const auto a = house.open_now("a");
  for (int i = 0; i < 30; ++i) house.transport.step();
  EXPECT_GT(house.scheduler.memory_bytes(), 0U);
  EXPECT_GT(house.transport.in_progress(), 0);
  house.scheduler.objects().close(*a);
  EXPECT_EQ(house.scheduler.memory_bytes(), 0U);
  house.transport.run();
  EXPECT_EQ(house.budget->used_bytes(), 0U);
  EXPECT_EQ(house.transport.in_progress(), 0);
  std::string got;
  EXPECT_EQ(house.read(*a, 0, 10, &got).code(), StatusCode::kClosed);
}

TEST(SchedulerTest, AFailedReadMayBeTriedAgain) {
  SchedulerHouse house;
  house.add_object("a", 3 * kChunk);
  bool broken = true;
  house.fault = [&](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
    if (broken && SchedulerHouse::range_of(request) == "a@65536")
      return oss_error(403, "AccessDenied");
    return std::nullopt;
  };
  const auto a = house.open_now("a");
  std::string got;
  EXPECT_EQ(house.read(*a, 0, 3 * kChunk, &got).code(), StatusCode::kAccessDenied);
  broken = false;
  ASSERT_TRUE(house.read(*a, 0, 3 * kChunk, &got).is_ok());
  EXPECT_EQ(got, house.expected("a", 0, 3 * kChunk));
}

TEST(SchedulerTest, OpenOfAMissingObjectFailsWithOneRequest) {
  SchedulerHouse house;
  const auto stream = house.open("missing");
  house.transport.run();
  EXPECT_EQ(stream->state(), StreamState::kFailed);
  EXPECT_EQ(stream->failure().code(), StatusCode::kObjectNotFound);
  EXPECT_EQ(house.transport.started().size(), 1U);
  house.scheduler.objects().close(*stream);
  EXPECT_EQ(house.budget->used_bytes(), 0U);
}

TEST(SchedulerTest, ChangedObjectIsAnErrorNotAMixture) {
  SchedulerHouse house;
  house.add_object("a", 6 * kChunk);
  const auto a = house.open_now("a");
  house.transport.run();
  house.scheduler.objects().close(*a);
  const auto again = house.open_now("a");
  house.objects["a"].etag = "OTHER";
  std::string got;
  const Status status = house.read(*again, 0, 6 * kChunk, &got);
  EXPECT_EQ(status.code(), StatusCode::kObjectChanged) << status.message();
}

TEST(SchedulerTest, SmallObjectsHoldNoMoreThanTheirSize) {
  SchedulerHouse house({.budget_bytes = 4 * kChunk});
  std::vector<std::shared_ptr<ObjectStream>> streams;
  for (int i = 0; i < 20; ++i) {
    house.add_object("s" + std::to_string(i), 1000);
    streams.push_back(house.open_now("s" + std::to_string(i)));
  }
  house.transport.run();
  EXPECT_EQ(house.budget->used_bytes(), 20U * house.pool->block_bytes(1000));
  EXPECT_EQ(house.transport.started().size(), 20U);
  EXPECT_EQ(house.heads, 0);
}

TEST(SchedulerTest, WholeReadIsJudgedByTheObjectsCrc) {
  for (const bool right : {true, false}) {
    SchedulerHouse house;
    house.add_object("a", 3 * kChunk + 5);
    const std::string whole = house.expected("a", 0, 3 * kChunk + 5);
    const std::uint64_t crc = crc64_update(0, whole.data(), whole.size()) ^ (right ? 0 : 1);
    house.fault = [&](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
      return serve(house.objects["a"], request)
          .with_header("x-oss-hash-crc64ecma", std::to_string(crc));
    };
    const auto a = house.open_now("a");
    std::string got;
    Status last = house.read(*a, 0, 3 * kChunk, &got);
    if (last.is_ok()) last = house.read(*a, 3 * kChunk, 5, &got);
    EXPECT_EQ(last.code(), right ? StatusCode::kOk : StatusCode::kChecksum) << last.message();
  }
}

TEST(SchedulerTest, NoByteOfASecondFetchIsHandedOutBeforeItIsKnownToBeTheSame) {
  SchedulerHouse house({.budget_bytes = 8 * kChunk});
  house.add_object("a", 4 * kChunk);
  house.add_object("b", 30 * kChunk);
  const auto a = house.open_now("a");
  std::string got;
  ASSERT_TRUE(house.read(*a, 0, 4 * kChunk, &got).is_ok());
  house.objects["a"].seed += 1;  // other bytes, under the same ETag
  const auto b = house.open_now("b");
  house.transport.run();  // for which a's memory was given up
  const Status status = house.read(*a, 0, 100, &got, /*sequential=*/false);
  EXPECT_EQ(status.code(), StatusCode::kChecksum) << status.message();
  EXPECT_EQ(status.detail().uri, "oss://bucket/a");
}

TEST(SchedulerTest, ViewsOfObjectsSmallerThanAChunkHoldTheirSizeAlone) {
  SchedulerHouse house({.budget_bytes = 4 * kChunk});
  const ReadOptions options{.progress_limit = std::chrono::seconds(3600), .sequential = false};
  constexpr std::uint64_t kSize = kChunk * 5 / 8;  // more than half: its chunk has a whole slot
  std::vector<std::shared_ptr<ObjectStream>> streams;
  std::vector<std::shared_ptr<ViewRegion>> views;
  for (const char* const key : {"a", "b", "c"}) {
    house.add_object(key, kSize);
    streams.push_back(house.open_now(key));
    auto view = view_stream(house.scheduler, *streams.back(), options, house.pump);
    ASSERT_TRUE(view.is_ok()) << view.status().message();
    views.push_back(std::move(view).value());
  }
  EXPECT_EQ(house.budget->used_bytes(), 3 * kSize);
  house.add_object("d", 2 * kChunk);
  streams.push_back(house.open_now("d"));
  const auto view = view_stream(house.scheduler, *streams.back(), options, house.pump);
  EXPECT_TRUE(view.is_ok()) << view.status().message();
}

TEST(SchedulerTest, AViewThatGetsNoMemoryInTimeSaysSo) {
  SchedulerHouse house({.budget_bytes = 4 * kChunk});
  house.add_object("a", 4 * kChunk);
  house.add_object("b", 2 * kChunk);
  const auto a = house.open_now("a");
  for (const std::uint64_t i : {0, 1, 2, 3}) house.scheduler.claims().claim(*a, i);
  house.transport.run();
  const auto b = house.open_now("b");
  const ReadOptions options{.progress_limit = Duration::zero(), .sequential = false};
  const auto view = view_stream(house.scheduler, *b, options, house.pump);
  EXPECT_EQ(view.status().code(), StatusCode::kTransferTimeout);
  EXPECT_EQ(view.status().detail().uri, "oss://bucket/b");
  for (const std::uint64_t i : {0, 1, 2, 3}) house.scheduler.claims().release(*a, i);
}

TEST(SchedulerTest, ViewHoldsTheWholeObjectWithinTheBudget) {
  SchedulerHouse house({.budget_bytes = 16 * kChunk});
  house.add_object("a", 10 * kChunk + 3);
  house.add_object("b", 10 * kChunk);
  const auto a = house.open_now("a");
  const auto b = house.open_now("b");
  house.transport.run();
  const ReadOptions options{.progress_limit = std::chrono::seconds(3600), .sequential = false};
  auto region = view_stream(house.scheduler, *a, options, house.pump);
  ASSERT_TRUE(region.is_ok()) << region.status().message();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>((*region)->data()), (*region)->size()),
            house.expected("a", 0, 10 * kChunk + 3));
  EXPECT_LE(house.budget->peak_bytes(), house.budget->limit_bytes());
  EXPECT_EQ(view_stream(house.scheduler, *b, options, house.pump).status().code(),
            StatusCode::kMemoryBudget);
  house.scheduler.objects().close(*a);
  EXPECT_GE(house.budget->used_bytes(), 10 * kChunk + 3);  // the view lives on
  *region = nullptr;
  auto other = view_stream(house.scheduler, *b, options, house.pump);
  ASSERT_TRUE(other.is_ok()) << other.status().message();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>((*other)->data()), (*other)->size()),
            house.expected("b", 0, 10 * kChunk));
}

// Random programs of opens, reads, closes over a transport that shuffles and fails: right bytes or
// a typed error, the budget kept, everything given back.
class RandomSchedules : public testing::TestWithParam<int> {};

TEST_P(RandomSchedules, BytesAreRightTheBudgetIsKeptAllComesBack) {
  for (int round = 0; round < 100; ++round) {
    const auto seed = static_cast<std::uint64_t>(GetParam() * 1000 + round);
    std::mt19937_64 random(seed);
    const auto pick = [&](std::uint64_t below) { return random() % below; };
    constexpr std::uint32_t kSmallChunk = 4096;
    SchedulerHouse house({.chunk_bytes = kSmallChunk,
                          .budget_bytes = (4 + pick(20)) * kSmallChunk,
                          .threads = 1 + static_cast<int>(pick(3)),
                          .slots_per_thread = 1 + static_cast<int>(pick(5)),
                          .seed = seed});
    house.fault = [&](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
      switch (pick(12)) {
        case 0:
          return fail_with(TransportError::kReset);
        case 1:
          return oss_error(503, "SlowDown");
        case 2: {
          const std::string key = key_of(request);
          return serve(house.objects[key], request, 1000).reset_after(pick(kSmallChunk));
        }
        default:
          return std::nullopt;
      }
    };
    std::vector<std::pair<std::string, std::shared_ptr<ObjectStream>>> open;
    for (int action = 0; action < 30; ++action) {
      if (open.empty() || pick(4) == 0) {
        const std::string key = "k" + std::to_string(action);
        house.add_object(key, 1 + pick(12 * kSmallChunk));
        auto stream = house.open(key);
        while (stream->state() == StreamState::kOpening && house.transport.step()) {
        }
        if (stream->state() == StreamState::kOpen) {
          open.emplace_back(key, stream);
        } else {
          ASSERT_EQ(stream->state(), StreamState::kFailed) << "seed " << seed;
          house.scheduler.objects().close(*stream);
        }
      } else if (pick(8) == 0) {
        const std::size_t victim = pick(open.size());
        house.scheduler.objects().close(*open[victim].second);
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(victim));
      } else {
        auto& [key, stream] = open[pick(open.size())];
        const std::uint64_t offset = pick(stream->size());
        const std::size_t size = 1 + pick(stream->size() - offset);
        std::string got;
        const Status status = house.read(*stream, offset, size, &got, pick(2) == 0);
        if (status.is_ok()) {
          ASSERT_EQ(got, house.expected(key, offset, size)) << "seed " << seed;
        } else {
          ASSERT_TRUE(status.code() == StatusCode::kThrottled ||
                      status.code() == StatusCode::kConnect)
              << "seed " << seed << ": " << status.message();
        }
      }
      for (std::uint64_t steps = pick(20); steps > 0; --steps) house.transport.step();
      ASSERT_LE(house.budget->used_bytes(), house.budget->limit_bytes()) << "seed " << seed;
    }
    for (auto& [key, stream] : open) house.scheduler.objects().close(*stream);
    house.transport.run();
    ASSERT_EQ(house.budget->used_bytes(), 0U) << "seed " << seed;
    ASSERT_EQ(house.scheduler.memory_bytes(), 0U) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomSchedules, testing::Range(0, is_long_run() ? 10 : 3));

}  // namespace
}  // namespace ossmc
