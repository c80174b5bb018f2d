// Memory that somebody still uses stays, and memory that nobody uses is found: by name, what random
// schedules (scheduler_invariants_test.cc) found wrong once.
#include <algorithm>
#include <string>
#include <vector>

#include "csrc/prefetch/scheduler_fixture.h"

namespace ossmc {
namespace {

constexpr ReadOptions kRandomReads{.progress_limit = std::chrono::seconds(3600),
                                   .sequential = false};

std::optional<FakeReply> slowly(SchedulerHouse& house, const HttpRequest& request) {
  const std::string key = key_of(request);
  FakeReply reply = serve(house.objects[key], request);
  reply.head_delay = std::chrono::milliseconds(5);
  reply.piece_delay = std::chrono::milliseconds(1);
  return reply;
}

// A failure that comes when all bytes are there.
std::optional<FakeReply> with_a_byte_too_many(SchedulerHouse& house, const HttpRequest& request) {
  std::optional<FakeReply> reply = slowly(house, request);
  reply->body.emplace_back("x");
  return reply;
}

TEST(SchedulerMemory, RegionOfAClosedObjectStaysWhileExchangesWriteToIt) {
  SchedulerHouse house({.budget_bytes = 16 * kChunk});
  house.add_object("a", 10 * kChunk);
  const auto a = house.open_now("a");
  SteppingInterrupt interrupt(house.transport, 12);
  EXPECT_EQ(view_stream(house.scheduler, *a, kRandomReads, interrupt).status().code(),
            StatusCode::kInterrupted);
  ASSERT_GT(house.transport.in_progress(), 0);
  house.scheduler.objects().close(*a);
  // The I/O threads have not looked yet: more bytes may come.
  EXPECT_GT(house.budget->used_bytes(), 0U);
  EXPECT_EQ(house.scheduler.memory_bytes(), 0U);
  house.transport.run();
  EXPECT_EQ(house.budget->used_bytes(), 0U);
}

TEST(SchedulerMemory, RegionOfAClosedObjectStaysWhileAReaderCopiesFromIt) {
  SchedulerHouse house;
  house.add_object("a", 2 * kChunk);
  auto a = house.open_now("a");
  auto view = view_stream(house.scheduler, *a, kRandomReads, house.pump);
  ASSERT_TRUE(view.is_ok());
  *view = nullptr;
  Chunk& chunk = a->slot(1).chunk;
  ASSERT_TRUE(chunk.try_pin(kChunk));
  house.scheduler.objects().close(*a);
  EXPECT_TRUE(matches_pattern(chunk.data(), house.objects["a"].seed, kChunk, kChunk));
  chunk.unpin();
  a = nullptr;
  house.transport.run();
  EXPECT_EQ(house.budget->used_bytes(), 0U);
}

// It slept for a whole slice, since nobody told it of the end of the copy.
TEST(SchedulerMemory, AViewWaitsForTheCopyOutOfAnotherObjectsIdleRegion) {
  SchedulerHouse house({.budget_bytes = 4 * kChunk});
  house.add_object("a", 3 * kChunk);
  house.add_object("b", 3 * kChunk);
  const auto a = house.open_now("a");
  auto view = view_stream(house.scheduler, *a, kRandomReads, house.pump);
  ASSERT_TRUE(view.is_ok());
  *view = nullptr;
  const auto b = house.open_now("b");
  Chunk& chunk = a->slot(1).chunk;
  ASSERT_TRUE(chunk.try_pin(kChunk));
  const std::uint64_t turn = house.scheduler.views().take_turn();
  const auto fresh = ViewRegion::make(b->size());
  ASSERT_TRUE(fresh.is_ok());
  ViewAnswer answer = ViewAnswer::kReserved;
  Views& views = house.scheduler.views();
  std::shared_ptr<ViewRegion> region;
  ASSERT_TRUE(views.try_reserve(*b, turn, *fresh, &answer, &region).is_ok());
  EXPECT_EQ(answer, ViewAnswer::kCopied);
  chunk.unpin();
  ASSERT_TRUE(views.try_reserve(*b, turn, *fresh, &answer, &region).is_ok());
  EXPECT_EQ(answer, ViewAnswer::kReserved);
  views.finish(*b, region, false);
}

// What the block of a chunk holds beyond the chunk came free only when it had moved to the region,
// which was never made: the view waited for timeout.readSeconds.
TEST(SchedulerMemory, AViewGetsWhatTheBlocksOfItsOwnChunksHoldTooMuch) {
  SchedulerHouse house({.budget_bytes = 4 * kChunk});
  house.add_object("a", 2 * kChunk);
  house.add_object("b", 2 * kChunk - 1);
  const auto a = house.open_now("a");
  const auto view_of_a = view_stream(house.scheduler, *a, kRandomReads, house.pump);
  ASSERT_TRUE(view_of_a.is_ok());
  const Ticket other = Ticket::try_take(house.budget, 1);
  const auto b = house.open_now("b");
  std::string got;
  ASSERT_TRUE(house.read(*b, kChunk, 1, &got, false).is_ok());
  ASSERT_EQ(b->slot(0).chunk.view().phase, ChunkPhase::kAbsent);
  ASSERT_EQ(house.budget->free_bytes(), kChunk - 1);
  const auto view_of_b = view_stream(house.scheduler, *b, kRandomReads, house.pump);
  ASSERT_TRUE(view_of_b.is_ok()) << view_of_b.status().message();
  EXPECT_TRUE(
      matches_pattern((*view_of_b)->data(), house.objects["b"].seed, 0, (*view_of_b)->size()));
  EXPECT_EQ(house.budget->free_bytes(), 0U);
}

TEST(SchedulerMemory, CloseTakesTheMemoryOfWhatWaitsForARetry) {
  SchedulerHouse house;
  house.add_object("a", 3 * kChunk);
  const auto a = house.open_now("a");
  house.fault = [](const HttpRequest&, std::size_t) { return oss_error(503, "SlowDown"); };
  while (house.transport.in_progress() > 0) house.transport.step();
  ASSERT_GT(house.budget->used_bytes(), 0U);
  // As at the end of a connector: no I/O thread asks any more.
  house.scheduler.objects().close_all();
  house.transport.stop();
  EXPECT_EQ(house.budget->used_bytes(), 0U);
}

TEST(SchedulerMemory, AClosedReaderOfASmallObjectHasNoMemory) {
  SchedulerHouse house;
  house.add_object("a", kChunk * 3 / 4);
  const auto a = house.open("a");
  while (a->state() == StreamState::kOpening) house.transport.step();
  ASSERT_EQ(house.transport.in_progress(), 1);
  house.scheduler.objects().close(*a);
  EXPECT_EQ(house.scheduler.memory_bytes(), 0U);
}

TEST(SchedulerMemory, AReadThatWaitsForMemoryIsLookedAfterSoonWhileOthersCopy) {
  SchedulerHouse house({.budget_bytes = 4 * kChunk, .threads = 1});
  house.add_object("a", 8 * kChunk);
  const auto a = house.open_now("a");
  for (const std::uint64_t i : {0, 1, 2, 3}) house.scheduler.claims().claim(*a, i);
  house.transport.run();
  for (const std::uint64_t i : {0, 1, 2, 3}) {
    ASSERT_TRUE(a->slot(i).chunk.try_pin(kChunk));
    house.scheduler.claims().release(*a, i);
  }
  house.scheduler.claims().claim(*a, 7);
  EXPECT_EQ(house.scheduler.next(0, {}), nullptr);
  EXPECT_LE(house.scheduler.next_due(), house.parts.clock.now() + std::chrono::milliseconds(10));
  a->slot(2).chunk.unpin();  // which tells nobody
  house.transport.run();
  EXPECT_EQ(a->slot(7).chunk.view().phase, ChunkPhase::kReady);
  for (const std::uint64_t i : {0, 1, 3}) a->slot(i).chunk.unpin();
  house.scheduler.claims().release(*a, 7);
  EXPECT_EQ(house.scheduler.next(0, {}), nullptr);
  EXPECT_EQ(house.scheduler.next_due(), TimePoint::max());
}

TEST(SchedulerMemory, WhatFailedWhileSomebodyCopiedFromItMakesRoom) {
  SchedulerHouse house({.budget_bytes = 4 * kChunk});
  house.add_object("a", 8 * kChunk);
  const auto a = house.open_now("a");
  house.transport.run();
  house.fault = [&](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
    if (SchedulerHouse::range_of(request) == "a@" + std::to_string(7 * kChunk))
      return with_a_byte_too_many(house, request);
    return std::nullopt;
  };
  Chunk& failing = a->slot(7).chunk;
  house.scheduler.claims().claim(*a, 7);
  while (!failing.try_pin(100)) ASSERT_TRUE(house.transport.step());
  house.transport.run();
  ASSERT_EQ(failing.view().phase, ChunkPhase::kFailed);
  house.scheduler.claims().release(*a, 7);
  failing.unpin();
  for (const std::uint64_t i : {3, 4, 5, 6}) house.scheduler.claims().claim(*a, i);
  house.transport.run();
  for (const std::uint64_t i : {3, 4, 5, 6}) {
    EXPECT_EQ(a->slot(i).chunk.view().phase, ChunkPhase::kReady) << i;
    house.scheduler.claims().release(*a, i);
  }
}

TEST(SchedulerMemory, ReadAheadGivesNothingUpInVain) {
  SchedulerHouse house({.budget_bytes = 4 * kChunk});
  std::vector<std::shared_ptr<ObjectStream>> small;
  for (const char* const key : {"s1", "s2", "s3"}) {
    house.add_object(key, kChunk / 8);
    small.push_back(house.open_now(key));
  }
  house.add_object("a", 8 * kChunk);
  const auto a = house.open_now("a");
  house.transport.run();
  // Half of the memory is claimed, so the reserve and one chunk more can never be had.
  for (const std::uint64_t i : {0, 5}) house.scheduler.claims().claim(*a, i);
  house.transport.run();
  for (auto& stream : small) {
    std::string got;
    ASSERT_TRUE(house.read(*stream, 0, 1, &got).is_ok());
  }
  const std::size_t before = house.transport.started().size();
  house.scheduler.claims().note_read(*a, 0, false, true);
  house.transport.run();
  EXPECT_EQ(house.transport.started().size(), before);
  for (const auto& stream : small)
    EXPECT_EQ(stream->slot(0).chunk.view().phase, ChunkPhase::kReady);
  for (const std::uint64_t i : {0, 5}) house.scheduler.claims().release(*a, i);
}

TEST(SchedulerMemory, WhatAnInterruptedViewHadIsFetchedAgainAfterItsMemoryWasWanted) {
  SchedulerHouse house({.budget_bytes = 12 * kChunk, .threads = 1, .slots_per_thread = 2});
  house.add_object("a", 8 * kChunk);
  house.add_object("b", 10 * kChunk);
  const auto a = house.open_now("a");
  SteppingInterrupt interrupt(house.transport, 40);
  EXPECT_EQ(view_stream(house.scheduler, *a, kRandomReads, interrupt).status().code(),
            StatusCode::kInterrupted);
  const auto b = house.open_now("b");
  std::string got;
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(house.read(*b, 0, 10 * kChunk, &got).is_ok());
    EXPECT_EQ(got, house.expected("b", 0, 10 * kChunk));
    ASSERT_TRUE(house.read(*a, 0, 8 * kChunk, &got).is_ok());
    EXPECT_EQ(got, house.expected("a", 0, 8 * kChunk));
    auto view = view_stream(house.scheduler, *a, kRandomReads, house.pump);
    ASSERT_TRUE(view.is_ok()) << view.status().message();
    *view = nullptr;
  }
  EXPECT_LE(house.budget->peak_bytes(), house.budget->limit_bytes());
  house.scheduler.objects().close(*a);
  house.scheduler.objects().close(*b);
  house.transport.run();
  EXPECT_EQ(house.budget->used_bytes(), 0U);
}

// --- an empty object, which has no chunk although its first request fills one ---

class EmptyObject : public testing::Test {
 protected:
  EmptyObject() {
    house.add_object("empty", 0);
    house.fault = [this](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
      if (key_of(request) != "empty") return std::nullopt;
      FakeReply reply = serve_whole(house.objects["empty"], request);
      if (has_body) reply.body.emplace_back("x");
      return reply;
    };
  }
  void expect_no_memory(ObjectStream& stream) const {
    EXPECT_EQ(stream.slot(0).chunk.view().phase, ChunkPhase::kAbsent);
    EXPECT_EQ(house.budget->used_bytes(), 0U);
    EXPECT_EQ(house.pool.use_count(), 2);  // the house's and the scheduler's: no buffer is out
  }

  SchedulerHouse house{{.budget_bytes = 4 * kChunk}};
  bool has_body = false;  // which Content-Length: 0 does not allow
};

// The chunk stayed in the list of what may be evicted, also when the object was gone.
TEST_F(EmptyObject, EvictionWentThroughOneThatWasGone) {
  house.add_object("a", 8 * kChunk);
  const auto a = house.open_now("a");
  auto empty = house.open_now("empty");
  house.transport.run();
  ASSERT_EQ(empty->size(), 0U);
  ASSERT_EQ(house.heads, 0);
  house.scheduler.objects().close(*empty);
  empty = nullptr;
  for (std::uint64_t i = 8; i-- > 0;) {
    std::string got;
    ASSERT_TRUE(house.read(*a, i * kChunk, kChunk, &got).is_ok());
    EXPECT_EQ(got, house.expected("a", i * kChunk, kChunk));
  }
}

TEST_F(EmptyObject, HeldABufferUntilItWasClosed) {
  const auto empty = house.open_now("empty");
  house.transport.run();
  expect_no_memory(*empty);
}

TEST_F(EmptyObject, HasNoMemoryWhereItsReplyHasABody) {
  has_body = true;
  const auto empty = house.open_now("empty");
  house.transport.run();
  EXPECT_EQ(empty->size(), 0U);
  expect_no_memory(*empty);
}

TEST_F(EmptyObject, HasNoMemoryWhereItIsClosedBetweenTheReplysHeadAndItsEnd) {
  const auto empty = house.open("empty");
  while (empty->state() == StreamState::kOpening) ASSERT_TRUE(house.transport.step());
  ASSERT_EQ(house.transport.in_progress(), 1);
  house.scheduler.objects().close(*empty);
  house.transport.run();
  expect_no_memory(*empty);
}

// --- failures ---

// The read that waits for it may hold what the chunk, last in line again, waits for.
TEST(SchedulerFailures, AReadIsToldOfItsChunksFailureThoughAnotherHasAskedAgain) {
  SchedulerHouse house;
  house.add_object("a", 3 * kChunk);
  const auto a = house.open_now("a");
  house.transport.run();
  house.scheduler.objects().close(*a);
  const auto again = house.open_now("a");
  house.fault = [](const HttpRequest&, std::size_t) { return oss_error(403, "AccessDenied"); };
  const std::uint32_t first = house.scheduler.claims().claim(*again, 2);
  house.transport.run();
  const std::uint32_t second = house.scheduler.claims().claim(*again, 2);
  EXPECT_EQ(house.scheduler.claims().failure_since(*again, 2, first).code(),
            StatusCode::kAccessDenied);
  EXPECT_TRUE(house.scheduler.claims().failure_since(*again, 2, second).is_ok());
  house.scheduler.claims().release(*again, 2);
  house.scheduler.claims().release(*again, 2);
}

TEST(SchedulerFailures, AFetchThatFailsAfterItsLastByteWasReadEndsTheWaitForTheVerdict) {
  SchedulerHouse house;
  house.add_object("a", kChunk);
  ObjectVersion version;
  version.size = kChunk;
  version.etag = "ETAG-a";
  version.crc64 = 1;
  const auto a = house.scheduler.objects().open_known({"bucket", "a"}, version).value();
  house.fault = [&](const HttpRequest& request, std::size_t) {
    return with_a_byte_too_many(house, request);
  };
  std::string got(kChunk, '\0');
  SteppingInterrupt interrupt(house.transport, 100);
  const Status status =
      read_stream(house.scheduler, *a, 0, reinterpret_cast<std::byte*>(got.data()), kChunk,
                  kRandomReads, interrupt);
  EXPECT_EQ(status.code(), StatusCode::kProtocol) << status.message();
}

TEST(SchedulerFailures, AFetchThatFailsAfterItsLastByteEndsTheView) {
  SchedulerHouse house({.threads = 1, .slots_per_thread = 1});
  house.add_object("a", 2 * kChunk);
  const auto a = house.open_now("a");
  house.fault = [&](const HttpRequest& request, std::size_t) {
    return with_a_byte_too_many(house, request);
  };
  // In flight to memory of its own before the view is asked for.
  house.scheduler.claims().claim(*a, 1);
  while (a->slot(1).work != ChunkSlot::Work::kInFlight) ASSERT_TRUE(house.transport.step());
  SteppingInterrupt interrupt(house.transport, 100);
  const auto view = view_stream(house.scheduler, *a, kRandomReads, interrupt);
  EXPECT_EQ(view.status().code(), StatusCode::kProtocol) << view.status().message();
  house.scheduler.claims().release(*a, 1);
}

}  // namespace
}  // namespace ossmc
