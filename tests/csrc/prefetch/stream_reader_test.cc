// Reads that show bytes where they lie: everything that a read does, without the copy.
#include "prefetch/stream_reader.h"

#include <string>

#include "base/crc64.h"
#include "csrc/prefetch/scheduler_fixture.h"

namespace ossmc {
namespace {

constexpr ReadOptions kSequentialReads{.progress_limit = std::chrono::seconds(3600),
                                       .sequential = true};

// The rest of the chunk at `offset`, appended to `out`.
Result<std::size_t> visit(SchedulerHouse& house, ObjectStream& stream, std::uint64_t offset,
                          std::string* out) {
  const Result<PinnedBytes> pinned =
      pin_stream_chunk(house.scheduler, stream, offset, kSequentialReads, house.pump);
  if (!pinned.is_ok()) return pinned.status();
  out->append(reinterpret_cast<const char*>(pinned->bytes().data()), pinned->bytes().size());
  return pinned->bytes().size();
}

// From `offset` to the end of the object.
Status visit_all(SchedulerHouse& house, ObjectStream& stream, std::uint64_t offset,
                 std::string* out) {
  while (offset < stream.size()) {
    const Result<std::size_t> size = visit(house, stream, offset, out);
    if (!size.is_ok()) return size.status();
    offset += *size;
  }
  return Status::ok();
}

TEST(VisitTest, ShowsTheRestOfTheChunkFromAnyOffset) {
  SchedulerHouse house;
  house.add_object("a", 2 * kChunk + 5);
  const auto a = house.open_now("a");
  for (const std::uint64_t offset :
       {std::uint64_t{0}, std::uint64_t{100}, kChunk - 1, kChunk, 2 * kChunk, 2 * kChunk + 4}) {
    std::string got;
    const Result<std::size_t> size = visit(house, *a, offset, &got);
    ASSERT_TRUE(size.is_ok()) << size.status().message();
    const std::size_t wanted = std::min(kChunk - offset % kChunk, 2 * kChunk + 5 - offset);
    EXPECT_EQ(*size, wanted);
    EXPECT_EQ(got, house.expected("a", offset, wanted));
  }
}

TEST(VisitTest, ChunkIsPinnedWhileItIsShownAndHandedOut) {
  SchedulerHouse house;
  house.add_object("a", 2 * kChunk);
  const auto a = house.open_now("a");
  Chunk& chunk = a->slot(0).chunk;
  {
    const Result<PinnedBytes> pinned =
        pin_stream_chunk(house.scheduler, *a, 0, kSequentialReads, house.pump);
    ASSERT_TRUE(pinned.is_ok());
    EXPECT_EQ(pinned->bytes().data(), chunk.data());
    EXPECT_EQ(chunk.view().pins, 1U);
  }
  EXPECT_EQ(chunk.view().pins, 0U);
  EXPECT_TRUE(chunk.handed_out_whole());
  EXPECT_FALSE(a->slot(1).chunk.handed_out_whole());
  EXPECT_EQ(a->slot(0).claims, 0U);
}

TEST(VisitTest, CountsAsReads) {
  SchedulerHouse house;
  house.add_object("a", 3 * kChunk + 7);
  const auto a = house.open_now("a");
  house.transport.run();
  std::string got;
  ASSERT_TRUE(visit_all(house, *a, 0, &got).is_ok());
  EXPECT_EQ(load(house.parts.counters.bytes_read), 3 * kChunk + 7);
  EXPECT_EQ(load(house.parts.counters.prefetch_hits), 4U);
  EXPECT_EQ(load(house.parts.counters.prefetch_misses), 0U);
}

TEST(VisitTest, UnderATinyBudgetWhatWasShownMakesRoomAndNothingIsFetchedTwice) {
  SchedulerHouse house({.budget_bytes = 4 * kChunk});
  house.add_object("a", 40 * kChunk + 9);
  house.add_object("b", 40 * kChunk);
  const auto a = house.open_now("a");
  const auto b = house.open_now("b");
  std::string got;
  ASSERT_TRUE(visit_all(house, *a, 0, &got).is_ok());
  EXPECT_EQ(got, house.expected("a", 0, 40 * kChunk + 9));
  got.clear();
  ASSERT_TRUE(visit_all(house, *b, 0, &got).is_ok());
  EXPECT_EQ(got, house.expected("b", 0, 40 * kChunk));
  EXPECT_LE(house.budget->peak_bytes(), house.budget->limit_bytes());
  // The first chunk of b may have gone for the reader of a, and come again.
  EXPECT_LE(load(house.parts.counters.refetches), 4U);
}

TEST(VisitTest, WholeVisitIsJudgedByTheObjectsCrc) {
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
    const Status status = visit_all(house, *a, 0, &got);
    EXPECT_EQ(status.code(), right ? StatusCode::kOk : StatusCode::kChecksum) << status.message();
    // Once it is known to be bad, no part of it is good.
    const Status again = visit(house, *a, 0, &got).status();
    EXPECT_EQ(again.code(), right ? StatusCode::kOk : StatusCode::kChecksum) << again.message();
  }
}

TEST(VisitTest, ClosedStreamShowsNothing) {
  SchedulerHouse house;
  house.add_object("a", 3 * kChunk);
  const auto a = house.open_now("a");
  house.scheduler.objects().close(*a);
  std::string got;
  EXPECT_EQ(visit(house, *a, kChunk, &got).status().code(), StatusCode::kClosed);
  EXPECT_EQ(got, "");
}

TEST(VisitTest, CloseEndsABlockedVisit) {
  SchedulerHouse house;
  house.add_object("a", 3 * kChunk);
  const auto a = house.open_now("a");
  house.pump.set_before([&] { house.scheduler.objects().close(*a); });
  std::string got;
  EXPECT_EQ(visit(house, *a, 2 * kChunk, &got).status().code(), StatusCode::kClosed);
  EXPECT_EQ(got, "");
  house.transport.run();
  EXPECT_EQ(house.budget->used_bytes(), 0U);
}

}  // namespace
}  // namespace ossmc
