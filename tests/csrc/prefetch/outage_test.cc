// Stores and objects that fail for a while, or for good: the real scheduler over a fake transport
// in virtual time.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "csrc/prefetch/scheduler_fixture.h"

namespace ossmc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kOutageChunk = 16 * 1024;
constexpr int kOutageObjects = 4;
constexpr std::uint64_t kChunksEach = 400;
constexpr std::size_t kOutageSlots = 8;
// What the quota has for an outage (fetch/retry.h).
constexpr std::size_t kRetries = RetryQuota::kCapacity / RetryQuota::kTransientCost;
constexpr ReadOptions kOutageOptions{.progress_limit = seconds(3600), .sequential = true};

class OutageTest : public testing::Test {
 protected:
  // Opens all objects; of each the first chunk is there.
  void open_all() {
    for (int i = 0; i < kOutageObjects; ++i) {
      const std::string key(1, static_cast<char>('a' + i));
      house_.add_object(key, kChunksEach * kOutageChunk);
      streams_.push_back(house_.open_now(key));
    }
  }
  std::size_t requests() const { return house_.transport.started().size(); }
  static std::uint64_t ready_chunks(ObjectStream& stream) {
    std::uint64_t count = 0;
    for (std::uint64_t i = 0; i < stream.chunk_count(); ++i)
      count += stream.slot(i).chunk.view().phase == ChunkPhase::kReady ? 1 : 0;
    return count;
  }
  bool is_all_there() {
    return std::all_of(streams_.begin(), streams_.end(),
                       [](const auto& stream) { return ready_chunks(*stream) == kChunksEach; });
  }

  SchedulerHouse house_{{.chunk_bytes = kOutageChunk,
                         .budget_bytes = 2 * kOutageObjects * kChunksEach * kOutageChunk,
                         .threads = 2,
                         .slots_per_thread = kOutageSlots / 2}};
  std::vector<std::shared_ptr<ObjectStream>> streams_;
};

// With the quota spent, each chunk of each object was asked for once, as fast as the failures came
// back, and given up for good.
TEST_F(OutageTest, WasAnsweredByARequestForEveryChunkAndNothingWasFetchedAfterIt) {
  open_all();
  house_.fault = [](const HttpRequest&, std::size_t) {
    return fail_with(TransportError::kConnect);
  };
  const std::size_t before = requests();
  house_.transport.run_for(seconds(120));
  // Those in flight, the quota's with the chunks that they are spent on, and a few that look
  // whether the store is back.
  EXPECT_LE(requests() - before, kOutageSlots + 2 * kRetries + 30);
  EXPECT_FALSE(is_all_there());
  house_.fault = nullptr;
  house_.transport.run_for(house_.parts.context.retry.cap + seconds(10));
  EXPECT_TRUE(is_all_there());
}

TEST_F(OutageTest, AReadIsNotHeldBackAndWhenItSucceedsNothingIs) {
  open_all();
  house_.fault = [](const HttpRequest&, std::size_t) { return oss_error(500, "InternalError"); };
  house_.transport.run_for(seconds(120));
  ASSERT_TRUE(house_.scheduler.is_paused());
  EXPECT_EQ(house_.scheduler.limited_by(), "network");
  ObjectStream& last = *streams_.back();
  std::string bytes(kOutageChunk, '\0');
  SteppingInterrupt steps(house_.transport, 100'000);
  const TimePoint begin = house_.parts.clock.now();
  const auto read = [&](std::uint64_t index) {
    return read_stream(house_.scheduler, last, index * kOutageChunk,
                       reinterpret_cast<std::byte*>(bytes.data()), kOutageChunk, kOutageOptions,
                       steps);
  };
  EXPECT_EQ(read(50).code(), StatusCode::kServer);
  EXPECT_LT(house_.parts.clock.now() - begin, seconds(1));
  house_.fault = nullptr;
  EXPECT_TRUE(read(50).is_ok());
  EXPECT_EQ(bytes, house_.expected("d", 50 * kOutageChunk, kOutageChunk));
  EXPECT_LT(house_.parts.clock.now() - begin, seconds(1));
  house_.transport.run_for(milliseconds(20));  // its chunk's bytes were there before its end
  EXPECT_FALSE(house_.scheduler.is_paused());
  // Of the object that was read from at once, of the others when their own time has come.
  house_.transport.run_for(seconds(2));
  EXPECT_EQ(ready_chunks(last), kChunksEach);
  house_.transport.run_for(house_.parts.context.retry.cap + seconds(10));
  EXPECT_TRUE(is_all_there());
}

// The I/O threads with free slots slept on until the pause would have ended, up to 20 s.
TEST_F(OutageTest, ThreadsAreWokenWhenASuccessEndsThePause) {
  open_all();
  house_.fault = [](const HttpRequest&, std::size_t) { return oss_error(500, "InternalError"); };
  house_.transport.run_for(seconds(120));
  ASSERT_TRUE(house_.scheduler.is_paused());
  house_.fault = nullptr;
  ObjectStream& last = *streams_.back();
  house_.scheduler.claims().claim(last, 50);
  const Chunk& chunk = last.slot(50).chunk;
  while (chunk.view().filled < kOutageChunk) ASSERT_TRUE(house_.transport.step());
  ASSERT_TRUE(house_.scheduler.is_paused());
  const int wakes = house_.transport.wakes();
  while (house_.scheduler.is_paused()) ASSERT_TRUE(house_.transport.step());
  EXPECT_EQ(chunk.view().phase, ChunkPhase::kReady);
  EXPECT_GT(house_.transport.wakes(), wakes);
  house_.scheduler.claims().release(last, 50);
}

// Its free slots stayed so until something else happened.
TEST_F(OutageTest, AThreadComesBackAfterThePauseThoughOneWithoutAFreeSlotAskedAfterIt) {
  open_all();
  house_.fault = [](const HttpRequest&, std::size_t) { return oss_error(500, "InternalError"); };
  house_.transport.run_for(seconds(120));
  ASSERT_TRUE(house_.scheduler.is_paused());
  ASSERT_EQ(house_.scheduler.next(0, {}), nullptr);
  const TimePoint due = house_.scheduler.next_due();
  ASSERT_LT(due, TimePoint::max());
  // Between the question and when to come back.
  ASSERT_EQ(house_.scheduler.next(0, {}), nullptr);
  ASSERT_EQ(house_.scheduler.next(1, {.busy = kOutageSlots / 2}), nullptr);
  EXPECT_EQ(house_.scheduler.next_due(), due);
}

TEST_F(OutageTest, ThreadsAreWokenAfterThePauseByOneWithoutAFreeSlot) {
  open_all();
  house_.fault = [](const HttpRequest&, std::size_t) { return oss_error(500, "InternalError"); };
  house_.transport.run_for(seconds(120));
  ASSERT_TRUE(house_.scheduler.is_paused());
  ASSERT_EQ(house_.scheduler.next(0, {}), nullptr);
  house_.parts.clock.advance(house_.scheduler.next_due() - house_.parts.clock.now());
  const int wakes = house_.transport.wakes();
  ASSERT_EQ(house_.scheduler.next(1, {.busy = kOutageSlots / 2}), nullptr);
  EXPECT_GT(house_.transport.wakes(), wakes);
}

TEST_F(OutageTest, OneObjectThatFailsDoesNotHoldUpOthers) {
  open_all();
  std::size_t asked = 0;
  house_.fault = [&](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
    if (key_of(request) != "a") return std::nullopt;
    ++asked;
    return oss_error(500, "InternalError");
  };
  house_.transport.run_for(seconds(30));
  for (std::size_t i = 1; i < streams_.size(); ++i)
    EXPECT_EQ(ready_chunks(*streams_[i]), kChunksEach);
  // The others' successes earn retries (fetch/retry.h).
  const std::size_t earned = (kOutageObjects - 1) * kChunksEach / RetryQuota::kTransientCost;
  EXPECT_LE(asked, kOutageSlots + 2 * kRetries + earned + 30);
  house_.fault = nullptr;
  house_.transport.run_for(house_.parts.context.retry.cap + seconds(10));
  EXPECT_TRUE(is_all_there());
}

TEST_F(OutageTest, AnObjectThatWasOverwrittenOrDeletedWasAskedForChunkByChunk) {
  for (const char* const code : {"PreconditionFailed", "NoSuchKey", "AccessDenied"}) {
    streams_.clear();
    open_all();
    const std::string_view text = code;
    const int status = text == "NoSuchKey" ? 404 : text == "AccessDenied" ? 403 : 412;
    std::size_t asked = 0;
    house_.fault = [&](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
      if (key_of(request) != "a") return std::nullopt;
      ++asked;
      return oss_error(status, code);
    };
    const std::uint64_t had = ready_chunks(*streams_[0]);
    house_.transport.run_for(seconds(60));
    EXPECT_LE(asked, 2 * kOutageSlots) << code;
    EXPECT_LT(had, kChunksEach);
    for (std::size_t i = 1; i < streams_.size(); ++i)
      EXPECT_EQ(ready_chunks(*streams_[i]), kChunksEach) << code;
    house_.fault = nullptr;
    for (const auto& stream : streams_) house_.scheduler.objects().close(*stream);
    house_.transport.run();
    EXPECT_EQ(house_.budget->used_bytes(), 0U);
  }
}

// Its chunks have their memory; they came one at a time, each when its view got to it.
TEST(ViewFetching, AViewWasFetchedByOneSlotWhileAnotherObjectsReadAheadHadNoMemory) {
  SchedulerHouse house({.chunk_bytes = kOutageChunk, .budget_bytes = 16 * kOutageChunk});
  house.add_object("a", 40 * kOutageChunk);
  house.add_object("b", 12 * kOutageChunk);
  const auto a = house.open_now("a");
  const auto b = house.open_now("b");
  std::string bytes;
  ASSERT_TRUE(house.read(*a, 0, kOutageChunk, &bytes).is_ok());
  house.transport.run();
  // Reads on in the other object as soon as the view has its memory.
  struct Watching final : Interrupt {
    Watching(SchedulerHouse& of, ObjectStream& object, ObjectStream& viewed)
        : house(of), other(object), view(viewed) {}
    bool pending() override {
      if (!has_read && house.scheduler.views().region_of(view) != nullptr) {
        std::string chunk(kOutageChunk, '\0');
        has_read = read_stream_if_ready(house.scheduler, other, kOutageChunk,
                                        std::as_writable_bytes(std::span(chunk)));
      }
      if (!house.transport.step()) return true;
      if (has_read) most = std::max(most, house.transport.in_progress());
      return false;
    }
    SchedulerHouse& house;
    ObjectStream& other;
    ObjectStream& view;
    bool has_read = false;
    int most = 0;
  } watching(house, *a, *b);
  const auto view = view_stream(house.scheduler, *b, kOutageOptions, watching);
  ASSERT_TRUE(view.is_ok()) << view.status().message();
  EXPECT_TRUE(matches_pattern((*view)->data(), house.objects["b"].seed, 0, 12 * kOutageChunk));
  EXPECT_TRUE(watching.has_read);
  EXPECT_GE(watching.most, 6);
}

}  // namespace
}  // namespace ossmc
