// Opens where memory is short: the first request asks for little, or HEAD takes its place. The real
// scheduler over a fake transport in virtual time.
#include "prefetch/object_open.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "csrc/prefetch/scheduler_fixture.h"
#include "support/csrc/allocated_bytes.h"

namespace ossmc {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

constexpr std::uint32_t kLittle = 2048;
constexpr ReadOptions kOpensReads{.progress_limit = seconds(3600), .sequential = false};

class OpensTest : public testing::Test {
 protected:
  // So much is free; the rest is in chunks of another object that somebody claims.
  void leave_free(std::uint64_t bytes) {
    house_.add_object("full", kClaimed * kChunk);
    full_ = house_.open_now("full");
    for (std::uint64_t i = 0; i < kClaimed; ++i) house_.scheduler.claims().claim(*full_, i);
    house_.transport.run();
    ASSERT_EQ(house_.budget->free_bytes(), kLittle);
    ASSERT_LE(bytes, house_.budget->free_bytes());
    others_ = Ticket::try_take(house_.budget, house_.budget->free_bytes() - bytes);
    before_ = house_.transport.started().size();
  }
  void give_up_claims() {
    for (std::uint64_t i = 0; i < kClaimed; ++i) house_.scheduler.claims().release(*full_, i);
  }
  // What was asked for since leave_free(): "key@HEAD", or the key and the Range header.
  std::vector<std::string> asked() const {
    std::vector<std::string> result;
    for (std::size_t i = before_; i < house_.transport.started().size(); ++i) {
      const HttpRequest& request = house_.transport.started()[i].request;
      result.push_back(request.method == Method::kHead
                           ? key_of(request) + "@HEAD"
                           : key_of(request) + " " + header_of(request, "Range"));
    }
    return result;
  }
  void expect_reads_right(ObjectStream& stream, const std::string& key, std::size_t size) {
    std::string got;
    const Status status = house_.read(stream, 0, size, &got, false);
    EXPECT_TRUE(status.is_ok()) << status.message();
    EXPECT_EQ(got, house_.expected(key, 0, size));
  }
  // The store takes no notice of Range for that object.
  void answer_whole(const std::string& key) {
    house_.fault = [this, key](const HttpRequest& request,
                               std::size_t) -> std::optional<FakeReply> {
      if (key_of(request) != key || request.method == Method::kHead) return std::nullopt;
      return serve_whole(house_.objects[key], request);
    };
  }
  void expect_all_comes_back() {
    house_.scheduler.objects().close_all();
    others_.reset();
    house_.transport.run();
    EXPECT_EQ(house_.transport.in_progress(), 0);
    EXPECT_EQ(house_.budget->used_bytes(), 0U);
  }

  static constexpr std::uint64_t kClaimed = 8;
  SchedulerHouse house_{{.budget_bytes = kClaimed * kChunk + kLittle, .little_bytes = kLittle}};
  std::shared_ptr<ObjectStream> full_;
  Ticket others_;
  std::size_t before_ = 0;
};

// --- many at once ---

TEST(Opens, OpensOfManySmallObjectsUnderASmallBudgetAskedWithHeadOneAfterTheOther) {
  constexpr int kObjects = 200;
  SchedulerHouse house({.budget_bytes = 8 * kChunk, .little_bytes = kLittle});
  std::vector<std::shared_ptr<ObjectStream>> streams;
  for (int i = 0; i < kObjects; ++i) {
    const std::string key = "o" + std::to_string(i);
    house.add_object(key, 1500);
    streams.push_back(house.open(key));
  }
  for (const auto& stream : streams) {
    // All that a caller does is to wait.
    const Status status = wait_until_open(house.scheduler, *stream, seconds(3600), house.pump);
    EXPECT_TRUE(status.is_ok()) << status.message();
  }
  EXPECT_LE(house.transport.started().size(), kObjects * 3 / 2);
  EXPECT_GE(house.transport.most_in_progress(), 16);
  EXPECT_LE(house.budget->peak_bytes(), house.budget->limit_bytes());
  for (int i = 0; i < kObjects; ++i) {
    std::string got;
    ASSERT_TRUE(house.read(*streams[static_cast<std::size_t>(i)], 0, 1500, &got).is_ok());
    EXPECT_EQ(got, house.expected("o" + std::to_string(i), 0, 1500));
  }
}

// More of them than fit: what was not read goes for the first requests of others.
TEST(Opens, SmallObjectsThatDoNotAllFitAreOpenAfterAboutOneRequestEach) {
  constexpr int kObjects = 200;
  SchedulerHouse house({.budget_bytes = 2 * kChunk, .little_bytes = kLittle});
  std::vector<std::shared_ptr<ObjectStream>> streams;
  for (int i = 0; i < kObjects; ++i) {
    const std::string key = "o" + std::to_string(i);
    house.add_object(key, 2000);
    streams.push_back(house.open(key));
  }
  const auto are_open = [&] {
    return std::ranges::all_of(
        streams, [](const auto& stream) { return stream->state() == StreamState::kOpen; });
  };
  EXPECT_TRUE(house.transport.run_until(are_open));
  EXPECT_LE(house.transport.started().size(), kObjects * 3 / 2);
  EXPECT_EQ(house.heads, 0);
  EXPECT_LE(house.budget->peak_bytes(), house.budget->limit_bytes());
}

TEST_F(OpensTest, WhereNothingAtAllIsFreeManyAreAskedForWithHeadAtOnce) {
  constexpr std::size_t kObjects = 30;
  leave_free(0);
  std::vector<std::shared_ptr<ObjectStream>> streams;
  for (std::size_t i = 0; i < kObjects; ++i) {
    const std::string key = "o" + std::to_string(i);
    house_.add_object(key, 1000 + i);
    streams.push_back(house_.open(key));
  }
  house_.transport.step();
  EXPECT_GE(house_.transport.in_progress(), 16);
  house_.transport.run();
  EXPECT_THAT(asked(), AllOf(testing::SizeIs(kObjects), Each(HasSubstr("@HEAD"))));
  for (std::size_t i = 0; i < kObjects; ++i) {
    ASSERT_EQ(streams[i]->state(), StreamState::kOpen);
    EXPECT_EQ(streams[i]->size(), 1000 + i);
  }
  give_up_claims();
  expect_reads_right(*streams.back(), "o29", 1029);
  expect_all_comes_back();
}

// --- a large object whose first request asked for little ---

TEST_F(OpensTest, OfALargeObjectTheVersionIsKnownAndTheBytesAreDropped) {
  house_.add_object("a", 3 * kChunk + 5);
  leave_free(kLittle);
  const auto a = house_.open_now("a");
  house_.transport.run();
  EXPECT_EQ(asked(), std::vector<std::string>{"a bytes=0-2047"});
  EXPECT_EQ(a->size(), 3 * kChunk + 5);
  EXPECT_EQ(a->chunk_count(), 4U);
  EXPECT_EQ(a->slot(0).chunk.view().phase, ChunkPhase::kAbsent);
  EXPECT_EQ(a->slot(0).work, ChunkSlot::Work::kNone);
  EXPECT_EQ(house_.budget->used_bytes(), kClaimed * kChunk);
  EXPECT_FALSE(house_.scheduler.is_paused());
  give_up_claims();
  expect_reads_right(*a, "a", 3 * kChunk + 5);
  expect_all_comes_back();
}

TEST_F(OpensTest, TheSweepFetchesTheFirstChunkWhenThereIsMemory) {
  house_.add_object("a", 2 * kChunk);
  leave_free(kLittle);
  const auto a = house_.open_now("a");
  house_.transport.run();
  house_.scheduler.objects().close(*full_);
  give_up_claims();
  house_.transport.run();
  EXPECT_THAT(asked(), testing::UnorderedElementsAre("a bytes=0-2047", "a bytes=0-65535",
                                                     "a bytes=65536-131071"));
  EXPECT_EQ(a->slot(0).chunk.view().phase, ChunkPhase::kReady);
  EXPECT_EQ(house_.budget->used_bytes(), 2 * kChunk);
  expect_reads_right(*a, "a", 2 * kChunk);
  EXPECT_EQ(load(house_.parts.counters.refetches), 0U);
  expect_all_comes_back();
}

// A read that claimed its first chunk before would hold others while that is not in line.
TEST_F(OpensTest, ItIsOpenWhenTheBytesOfTheLittleReplyWereDropped) {
  house_.add_object("a", 2 * kChunk);
  leave_free(kLittle);
  const auto a = house_.open("a");
  house_.transport.step();  // its head
  house_.transport.step();  // its bytes
  EXPECT_EQ(a->state(), StreamState::kOpening);
  house_.transport.step();
  EXPECT_EQ(a->state(), StreamState::kOpen);
  EXPECT_EQ(a->slot(0).work, ChunkSlot::Work::kNone);
  EXPECT_EQ(house_.budget->free_bytes(), kLittle);
  give_up_claims();
  expect_all_comes_back();
}

TEST_F(OpensTest, AClaimOfItsFirstChunkIsServedBeforeTheSweep) {
  house_.add_object("a", 2 * kChunk);
  leave_free(kLittle);
  const auto a = house_.open_now("a");
  const std::uint32_t failures = house_.scheduler.claims().claim(*a, 0);
  house_.scheduler.claims().claim(*a, 0);  // two readers
  house_.transport.run();
  EXPECT_EQ(a->slot(0).work, ChunkSlot::Work::kUrgent);
  EXPECT_TRUE(house_.scheduler.claims().failure_since(*a, 0, failures).is_ok());
  house_.scheduler.claims().release(*a, 0);
  give_up_claims();
  house_.transport.run();
  ASSERT_GE(asked().size(), 2U);
  EXPECT_EQ(asked()[1], "a bytes=0-65535");
  EXPECT_EQ(a->slot(0).chunk.view().phase, ChunkPhase::kReady);
  house_.scheduler.claims().release(*a, 0);
  expect_reads_right(*a, "a", 2 * kChunk);
  expect_all_comes_back();
}

TEST_F(OpensTest, AViewOfItAccountsForTheWholeObject) {
  house_.add_object("a", 3 * kChunk + 5);
  leave_free(kLittle);
  const auto a = house_.open_now("a");
  house_.scheduler.objects().close(*full_);
  give_up_claims();
  auto view = view_stream(house_.scheduler, *a, kOpensReads, house_.pump);
  ASSERT_TRUE(view.is_ok()) << view.status().message();
  EXPECT_TRUE(matches_pattern((*view)->data(), house_.objects["a"].seed, 0, 3 * kChunk + 5));
  EXPECT_EQ((*view)->ticket_bytes(), 3 * kChunk + 5);
  EXPECT_EQ(house_.budget->used_bytes(), 3 * kChunk + 5);
  *view = nullptr;
  house_.scheduler.objects().close(*a);
  EXPECT_EQ(house_.budget->used_bytes(), 0U);
  expect_all_comes_back();
}

// Some of its chunks are in blocks, which may be larger than they are, when the region is made, and
// some are on their way to blocks.
TEST(Opens, AViewMadeInTheMiddleOfTheSweepAccountsForTheWholeObject) {
  for (const int steps : {0, 5, 12, 25}) {
    SchedulerHouse house({.budget_bytes = 8 * kChunk, .little_bytes = kLittle});
    house.add_object("a", 4 * kChunk + kChunk / 2 + 5);
    const auto a = house.open_now("a");
    for (int i = 0; i < steps; ++i) house.transport.step();
    auto view = view_stream(house.scheduler, *a, kOpensReads, house.pump);
    ASSERT_TRUE(view.is_ok()) << view.status().message();
    EXPECT_EQ((*view)->ticket_bytes(), a->size());
    EXPECT_EQ(house.budget->used_bytes(), a->size());
    *view = nullptr;
    house.scheduler.objects().close(*a);
    EXPECT_EQ(house.budget->used_bytes(), 0U);
  }
}

TEST_F(OpensTest, AnInterruptedViewOfItAccountsForTheWholeObject) {
  house_.add_object("a", 3 * kChunk + 5);
  leave_free(kLittle);
  const auto a = house_.open_now("a");
  house_.scheduler.objects().close(*full_);
  give_up_claims();
  SteppingInterrupt interrupt(house_.transport, 0);
  EXPECT_EQ(view_stream(house_.scheduler, *a, kOpensReads, interrupt).status().code(),
            StatusCode::kInterrupted);
  EXPECT_EQ(house_.scheduler.views().region_of(*a)->ticket_bytes(), 3 * kChunk + 5);
  house_.transport.run();
  EXPECT_EQ(house_.budget->used_bytes(), 3 * kChunk + 5);
  house_.scheduler.objects().close(*a);
  EXPECT_EQ(house_.budget->used_bytes(), 0U);
  expect_all_comes_back();
}

TEST_F(OpensTest, CloseDuringALittleReplyGivesAllBack) {
  for (const int steps : {0, 1, 2}) {
    house_.add_object("a", 2 * kChunk);
    if (full_ == nullptr) leave_free(kLittle);
    const auto a = house_.open("a");
    for (int i = 0; i < steps; ++i) house_.transport.step();
    house_.scheduler.objects().close(*a);
    house_.transport.run();
    EXPECT_EQ(a->state(), StreamState::kClosed);
    EXPECT_EQ(house_.budget->used_bytes(), kClaimed * kChunk);
    EXPECT_EQ(a.use_count(), 1);
  }
  EXPECT_EQ(asked().size(), 2U);
  give_up_claims();
  expect_all_comes_back();
}

// The version is all that it was for.
TEST_F(OpensTest, ALittleReplyThatIsCutOffIsEnough) {
  house_.add_object("a", 2 * kChunk);
  house_.fault = [this](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
    if (header_of(request, "Range") != "bytes=0-2047") return std::nullopt;
    return serve(house_.objects["a"], request, 512).reset_after(700);
  };
  leave_free(kLittle);
  const auto a = house_.open_now("a");
  house_.transport.run();
  EXPECT_EQ(asked(), std::vector<std::string>{"a bytes=0-2047"});
  give_up_claims();
  expect_reads_right(*a, "a", 2 * kChunk);
  EXPECT_EQ(load(house_.parts.counters.retries), 0U);
  expect_all_comes_back();
}

TEST_F(OpensTest, ALittleRequestThatFailsIsRetriedAndThenTheOpenFails) {
  house_.add_object("a", 2 * kChunk);
  house_.fault = [](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
    if (key_of(request) != "a") return std::nullopt;
    return oss_error(500, "InternalError");
  };
  leave_free(kLittle);
  const auto a = house_.open("a");
  EXPECT_EQ(wait_until_open(house_.scheduler, *a, seconds(3600), house_.pump).code(),
            StatusCode::kServer);
  EXPECT_THAT(asked(), Each(std::string("a bytes=0-2047")));
  EXPECT_EQ(house_.budget->used_bytes(), kClaimed * kChunk);
  give_up_claims();
  expect_all_comes_back();
}

// --- stores that take no notice of ranges ---

TEST_F(OpensTest, AStoreThatAnswersALittleRequestWithTheWholeObjectIsAskedWithHead) {
  house_.add_object("a", kChunk - 100);
  answer_whole("a");
  leave_free(kLittle);
  const auto a = house_.open_now("a");
  EXPECT_EQ(asked(), (std::vector<std::string>{"a bytes=0-2047", "a@HEAD"}));
  EXPECT_EQ(a->size(), kChunk - 100);
  EXPECT_FALSE(house_.scheduler.is_paused());
  EXPECT_EQ(house_.budget->used_bytes(), kClaimed * kChunk);
  give_up_claims();
  expect_reads_right(*a, "a", kChunk - 100);
  expect_all_comes_back();
}

TEST_F(OpensTest, SuchAStoresSmallObjectComesWithTheFirstRequest) {
  house_.add_object("a", 1000);
  answer_whole("a");
  leave_free(kLittle);
  const auto a = house_.open_now("a");
  house_.transport.run();
  EXPECT_EQ(asked(), std::vector<std::string>{"a bytes=0-2047"});
  expect_reads_right(*a, "a", 1000);
  EXPECT_EQ(asked().size(), 1U);
  give_up_claims();
  expect_all_comes_back();
}

TEST_F(OpensTest, SuchAStoresObjectOfManyChunksIsOpenAndCannotBeRead) {
  house_.add_object("a", 3 * kChunk);
  answer_whole("a");
  leave_free(kLittle);
  const auto a = house_.open_now("a");
  give_up_claims();
  std::string got;
  EXPECT_EQ(house_.read(*a, kChunk, 10, &got, false).code(), StatusCode::kProtocol);
  expect_all_comes_back();
}

TEST_F(OpensTest, AnEmptyObjectIsAskedForWithHeadWhereItsRangeIsRefused) {
  house_.add_object("a", 0);
  leave_free(kLittle);
  const auto a = house_.open_now("a");
  EXPECT_EQ(asked(), (std::vector<std::string>{"a bytes=0-2047", "a@HEAD"}));
  EXPECT_EQ(a->size(), 0U);
  EXPECT_EQ(house_.budget->used_bytes(), kClaimed * kChunk);
  give_up_claims();
  expect_all_comes_back();
}

TEST_F(OpensTest, AnObjectOfWhichHeadTellsBytesAndWhoseRangeIsRefusedIsNotOpened) {
  for (const std::uint64_t free_bytes : {std::uint64_t{kLittle}, std::uint64_t{0}}) {
    const bool asks_get = free_bytes > 0;
    house_.add_object("a", 100);
    house_.fault = [](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
      if (key_of(request) != "a" || request.method == Method::kHead) return std::nullopt;
      return oss_error(416, "InvalidRange");
    };
    if (full_ == nullptr) leave_free(kLittle);
    others_ = Ticket::try_take(house_.budget, house_.budget->free_bytes() - free_bytes);
    const auto a = house_.open("a");
    house_.transport.run_until([&] { return a->state() != StreamState::kOpening; });
    // Without a GET nothing was refused yet.
    ASSERT_EQ(a->state(), asks_get ? StreamState::kFailed : StreamState::kOpen);
    if (asks_get) {
      EXPECT_EQ(a->failure().code(), StatusCode::kProtocol);
      EXPECT_THAT(a->failure().message(),
                  AllOf(HasSubstr("416"), HasSubstr("100 bytes"), HasSubstr("oss://bucket/a")));
    }
    house_.scheduler.objects().close(*a);
    others_.reset();
  }
  give_up_claims();
  expect_all_comes_back();
}

// --- HEAD that fails, or is not wanted any more ---

TEST_F(OpensTest, AHeadThatFailsIsWhyTheObjectCannotBeOpened) {
  leave_free(0);
  struct Case {
    int status;
    const char* code;
    StatusCode expected;
    std::size_t requests;
  };
  for (const Case& one : {Case{404, "NoSuchKey", StatusCode::kObjectNotFound, 1},
                          Case{403, "AccessDenied", StatusCode::kAccessDenied, 1},
                          Case{500, "InternalError", StatusCode::kServer, 6}}) {
    house_.fault = [one](const HttpRequest&, std::size_t) {
      return oss_error(one.status, one.code);
    };
    before_ = house_.transport.started().size();
    const auto a = house_.open("a");
    const Status status = wait_until_open(house_.scheduler, *a, seconds(3600), house_.pump);
    EXPECT_EQ(status.code(), one.expected) << status.message();
    EXPECT_THAT(status.message(), HasSubstr("oss://bucket/a"));
    EXPECT_EQ(asked(), std::vector<std::string>(one.requests, "a@HEAD"));
    EXPECT_EQ(a->state(), StreamState::kFailed);
    house_.scheduler.objects().close(*a);
    EXPECT_EQ(a.use_count(), 1);
  }
  give_up_claims();
  expect_all_comes_back();
}

TEST_F(OpensTest, CloseEndsAHeadInProgress) {
  house_.fault = [](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
    if (request.method != Method::kHead) return std::nullopt;
    FakeReply reply;
    reply.hangs = true;
    return reply;
  };
  leave_free(0);
  const auto a = house_.open("a");
  house_.transport.run();
  ASSERT_EQ(house_.transport.in_progress(), 1);
  house_.scheduler.objects().close(*a);
  EXPECT_EQ(wait_until_open(house_.scheduler, *a, seconds(3600), house_.pump).code(),
            StatusCode::kClosed);
  house_.transport.run();
  EXPECT_EQ(house_.transport.in_progress(), 0);
  EXPECT_EQ(asked().size(), 1U);
  EXPECT_EQ(a->state(), StreamState::kClosed);
  EXPECT_EQ(a.use_count(), 1);
  give_up_claims();
  expect_all_comes_back();
}

TEST_F(OpensTest, CloseOfWhatIsToBeAskedForWithHeadAndWasNotYet) {
  house_.add_object("a", 100);
  leave_free(0);
  const auto a = house_.open("a");
  house_.scheduler.objects().close(*a);
  house_.transport.run();
  EXPECT_TRUE(asked().empty());
  EXPECT_EQ(a.use_count(), 1);
  give_up_claims();
  expect_all_comes_back();
}

TEST_F(OpensTest, CloseOfAllEndsHeadsInProgressAndThoseInLine) {
  leave_free(0);
  std::vector<std::shared_ptr<ObjectStream>> streams;
  for (int i = 0; i < 60; ++i) {
    const std::string key = "o" + std::to_string(i);
    house_.add_object(key, 100);
    streams.push_back(house_.open(key));
  }
  while (house_.transport.in_progress() == 0) ASSERT_TRUE(house_.transport.step());
  const std::size_t sent = asked().size();
  ASSERT_LT(sent, streams.size());
  give_up_claims();
  expect_all_comes_back();
  EXPECT_EQ(asked().size(), sent);
  for (const auto& stream : streams) {
    EXPECT_EQ(stream->state(), StreamState::kClosed);
    EXPECT_EQ(stream.use_count(), 1);
  }
}

// --- the largest objects ---

TEST(Opens, TheLargestObjectIsOpenAfterOneRequestAndItsTableTakesLittle) {
  constexpr std::uint32_t kLargeChunk = 8u << 20;
  constexpr std::uint64_t kSize = 48'800'000'000'000;
  SchedulerHouse house({.chunk_bytes = kLargeChunk, .budget_bytes = 2 * kLargeChunk});
  house.fault = [](const HttpRequest& request, std::size_t) {
    FakeReply reply;
    reply.hangs = true;
    const std::string range = header_of(request, "Range").substr(std::string("bytes=").size());
    return reply.with_header("Content-Range", "bytes " + range + "/" + std::to_string(kSize))
        .with_header("Content-Length", std::to_string(kLargeChunk))
        .with_header("ETag", "\"ETAG\"");
  };
  const std::size_t before = allocated_bytes();
  const auto large = house.open_now("large");
  EXPECT_EQ(house.transport.started().size(), 1U);
  EXPECT_EQ(large->size(), kSize);
  for (const std::uint64_t i :
       {std::uint64_t{1}, large->chunk_count() / 2, large->chunk_count() - 1})
    EXPECT_EQ(large->slot(i).work, ChunkSlot::Work::kNone);
  EXPECT_LT(allocated_bytes() - before, 2U << 20);
}

TEST_F(OpensTest, AnObjectOfMoreChunksThanATableIsMadeForIsNotOpened) {
  house_.fault = [](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
    if (key_of(request) != "a") return std::nullopt;
    FakeReply reply;
    const std::string size = std::to_string(kMaxObjectBytes);
    if (request.method == Method::kHead) {
      reply.status = 200;
      reply.with_header("ETag", "\"ETAG\"");
      return reply.with_header("Content-Length", size);
    }
    const std::string range = header_of(request, "Range").substr(std::string("bytes=").size());
    reply.with_header("Content-Range", "bytes " + range + "/" + size);
    return reply.with_header("ETag", "\"ETAG\"");
  };
  leave_free(0);
  const auto expect_refused = [&](const char* first_request) {
    before_ = house_.transport.started().size();
    const auto a = house_.open("a");
    const Status status = wait_until_open(house_.scheduler, *a, seconds(3600), house_.pump);
    EXPECT_EQ(asked(), std::vector<std::string>{first_request});
    EXPECT_EQ(status.code(), StatusCode::kProtocol);
    EXPECT_THAT(status.message(), HasSubstr("prefetch.chunkBytes"));
    EXPECT_EQ(status.detail().uri, "oss://bucket/a");
    house_.scheduler.objects().close(*a);
  };
  expect_refused("a@HEAD");
  others_.reset();
  expect_refused("a bytes=0-2047");
  house_.scheduler.objects().close(*full_);
  expect_refused("a bytes=0-65535");
  give_up_claims();
  expect_all_comes_back();
}

}  // namespace
}  // namespace ossmc
