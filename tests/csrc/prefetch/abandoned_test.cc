// Reads and views that are over give up their place at once: the real scheduler over a fake
// transport in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "csrc/prefetch/scheduler_fixture.h"
#include "support/csrc/long_run.h"

namespace ossmc {
namespace {

using std::chrono::seconds;

constexpr std::uint64_t kParts = 100;
constexpr std::size_t kPartBytes = 100;

// Of object "a" something is read of every chunk, as read_ranges does, and that ends early. An
// object that is not swept is asked for by somebody only.
class AbandonedTest : public testing::Test {
 protected:
  AbandonedTest() {
    house_.add_object("a", kParts * kChunk);
    house_.add_object("b", 8 * kChunk);
  }
  std::shared_ptr<ObjectStream> open_unswept(const std::string& key) {
    ObjectVersion version;
    version.size = house_.objects[key].size;
    version.etag = house_.objects[key].etag;
    return house_.scheduler.objects().open_known({"bucket", key}, version).value();
  }
  Status read_parts(ObjectStream& stream, Interrupt& interrupt,
                    Duration progress_limit = seconds(3600)) {
    bytes_.assign(stream.chunk_count() * kPartBytes, '\0');
    std::vector<StreamPart> parts;
    for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) {
      parts.emplace_back(
          stream.chunk_begin(i) + 7,
          std::as_writable_bytes(std::span(bytes_)).subspan(i * kPartBytes, kPartBytes));
    }
    return read_stream_parts(house_.scheduler, stream, parts,
                             {.progress_limit = progress_limit, .sequential = false}, interrupt);
  }
  // What was asked for behind the first `count` requests.
  std::vector<std::string> asked_since(std::size_t count) const {
    const std::vector<std::string> ranges = house_.ranges();
    return {ranges.begin() + static_cast<std::ptrdiff_t>(count), ranges.end()};
  }
  // What was begun of `stream` is over: nothing of it is in line, and another object's read is
  // next.
  void expect_nothing_in_line(ObjectStream& stream) {
    const std::size_t before = house_.ranges().size();
    for (std::uint64_t i = 0; i < stream.chunk_count(); ++i) {
      EXPECT_EQ(stream.slot(i).claims, 0U) << i;
      EXPECT_NE(stream.slot(i).work, ChunkSlot::Work::kUrgent) << i;
    }
    std::string got(kPartBytes, '\0');
    const auto b = open_unswept("b");
    const Status status =
        read_stream(house_.scheduler, *b, 3 * kChunk, reinterpret_cast<std::byte*>(got.data()),
                    kPartBytes, {.sequential = false}, time_passes_);
    EXPECT_TRUE(status.is_ok()) << status.message();
    EXPECT_EQ(got, house_.expected("b", 3 * kChunk, kPartBytes));
    house_.transport.run_for(seconds(1000));
    EXPECT_EQ(asked_since(before), std::vector<std::string>{"b@" + std::to_string(3 * kChunk)});
    house_.scheduler.objects().close(*b);
  }
  void expect_all_comes_back() {
    house_.scheduler.objects().close_all();
    house_.transport.run();
    EXPECT_EQ(house_.transport.in_progress(), 0);
    EXPECT_EQ(house_.budget->used_bytes(), 0U);
  }
  // That chunk of "a" is answered so.
  void answer(std::uint64_t index, FakeReply reply) {
    house_.fault = [index, reply](const HttpRequest& request,
                                  std::size_t) -> std::optional<FakeReply> {
      if (SchedulerHouse::range_of(request) != "a@" + std::to_string(index * kChunk))
        return std::nullopt;
      return reply;
    };
  }
  // Its head comes, and nothing more.
  FakeReply hangs_at(std::uint64_t index) {
    HttpRequest request;
    request.headers.push_back({"Range", "bytes=" + std::to_string(index * kChunk) + "-" +
                                            std::to_string((index + 1) * kChunk - 1)});
    FakeReply reply = serve(house_.objects["a"], request);
    reply.body.clear();
    reply.hangs = true;
    return reply;
  }

  // Lets `steps` things happen at each look, and interrupts at the look behind the `looks` first.
  struct InterruptedLater final : Interrupt {
    InterruptedLater(FakeTransport& of, int first_looks, int steps_each)
        : transport(of), looks(first_looks), steps(steps_each) {}
    bool pending() override {
      for (int i = 0; i < steps; ++i) transport.step();
      return looks-- == 0;
    }
    FakeTransport& transport;
    int looks;
    const int steps;
  };
  // What hangs does not keep the caller's time from passing.
  struct TimePasses final : Interrupt {
    explicit TimePasses(FakeTransport& of) : transport(of) {}
    bool pending() override {
      transport.run_for(seconds(10));
      return false;
    }
    FakeTransport& transport;
  };
  static constexpr std::uint64_t kBudgetChunks = 16;
  SchedulerHouse house_{{.budget_bytes = kBudgetChunks * kChunk}};
  TimePasses time_passes_{house_.transport};
  std::string bytes_;
};

// --- reads ---

TEST_F(AbandonedTest, AnInterruptedReadOfManyChunksWasFetchedAheadOfTheNextRead) {
  for (const int steps : {0, 1, 10, 100}) {
    const auto a = open_unswept("a");
    InterruptedLater interrupt(house_.transport, steps < 100 ? 0 : 1, steps);
    EXPECT_EQ(read_parts(*a, interrupt).code(), StatusCode::kInterrupted);
    EXPECT_EQ(house_.ranges().empty(), steps == 0);
    expect_nothing_in_line(*a);
    house_.scheduler.objects().close(*a);
  }
  expect_all_comes_back();
}

TEST_F(AbandonedTest, AReadThatTimesOutLeavesNothingInLine) {
  const auto a = open_unswept("a");
  answer(0, hangs_at(0));
  EXPECT_EQ(read_parts(*a, time_passes_, seconds(30)).code(), StatusCode::kTransferTimeout);
  EXPECT_EQ(house_.ranges().size(), kBudgetChunks);
  expect_nothing_in_line(*a);
  expect_all_comes_back();
}

TEST_F(AbandonedTest, AReadThatFailsLeavesNothingInLine) {
  const auto a = open_unswept("a");
  answer(5, oss_error(403, "AccessDenied"));
  EXPECT_EQ(read_parts(*a, house_.pump).code(), StatusCode::kAccessDenied);
  EXPECT_LE(house_.ranges().size(), kBudgetChunks + 6);
  expect_nothing_in_line(*a);
  expect_all_comes_back();
}

TEST_F(AbandonedTest, AReadWhoseObjectIsClosedLeavesNothingInLine) {
  for (const int looks : {1, 2}) {
    const auto a = open_unswept("a");
    int look = 0;
    house_.pump.set_before([&] {
      if (++look == looks) house_.scheduler.objects().close(*a);
    });
    EXPECT_EQ(read_parts(*a, house_.pump).code(), StatusCode::kClosed);
    house_.pump.set_before({});
    expect_nothing_in_line(*a);
    EXPECT_EQ(a.use_count(), 1);
    EXPECT_EQ(house_.budget->used_bytes(), 0U);
  }
  expect_all_comes_back();
}

TEST_F(AbandonedTest, AnInterruptedSearchForALinesEndLeavesNothingInLine) {
  const auto a = open_unswept("a");
  InterruptedLater interrupt(house_.transport, 0, 0);
  EXPECT_EQ(find_byte(house_.scheduler, *a, 3 * kChunk, kChunk, std::byte{0}, {}, interrupt)
                .status()
                .code(),
            StatusCode::kInterrupted);
  expect_nothing_in_line(*a);
  expect_all_comes_back();
}

TEST_F(AbandonedTest, WhatAnotherReadWaitsForStaysInLine) {
  const auto a = open_unswept("a");
  house_.scheduler.claims().claim(*a, 50);
  InterruptedLater interrupt(house_.transport, 0, 0);
  EXPECT_EQ(read_parts(*a, interrupt).code(), StatusCode::kInterrupted);
  EXPECT_EQ(a->slot(50).claims, 1U);
  house_.transport.run();
  EXPECT_EQ(house_.ranges(), std::vector<std::string>{"a@" + std::to_string(50 * kChunk)});
  house_.scheduler.claims().release(*a, 50);
  expect_all_comes_back();
}

TEST_F(AbandonedTest, WhatIsInFlightForNobodyArrivesAndGoesForTheNextRead) {
  const auto a = open_unswept("a");
  InterruptedLater interrupt(house_.transport, 0, 1);
  EXPECT_EQ(read_parts(*a, interrupt).code(), StatusCode::kInterrupted);
  const std::size_t in_flight = house_.ranges().size();
  EXPECT_EQ(in_flight, kBudgetChunks);
  const auto b = open_unswept("b");
  EXPECT_TRUE(read_parts(*b, house_.pump).is_ok());
  const auto since = asked_since(in_flight);
  EXPECT_EQ(since.size(), 8U);
  EXPECT_THAT(since, testing::Each(testing::StartsWith("b@")));
  expect_all_comes_back();
}

// It is swept in its order as if nothing had been read, behind reads.
TEST_F(AbandonedTest, AnObjectOfTheSweepIsSweptOn) {
  const auto a = house_.open("a");
  while (a->state() == StreamState::kOpening) ASSERT_TRUE(house_.transport.step());
  std::string part(kPartBytes, '\0');
  std::vector<StreamPart> parts;
  for (std::uint64_t i = kParts; i-- > 50;)
    parts.emplace_back(a->chunk_begin(i), std::as_writable_bytes(std::span(part)));
  InterruptedLater interrupt(house_.transport, 0, 0);
  EXPECT_EQ(read_stream_parts(house_.scheduler, *a, parts, {.sequential = false}, interrupt).code(),
            StatusCode::kInterrupted);
  const std::size_t before = house_.ranges().size();
  house_.transport.run();
  const auto since = asked_since(before);
  EXPECT_GE(since.size(), kBudgetChunks / 2);
  for (std::size_t i = 0; i < since.size(); ++i)
    EXPECT_EQ(since[i], "a@" + std::to_string((before + i) * kChunk));
  expect_all_comes_back();
}

// --- views ---

class AbandonedViewTest : public AbandonedTest {
 protected:
  static constexpr std::uint64_t kViewChunks = 12;
  AbandonedViewTest() { house_.add_object("a", kViewChunks * kChunk); }
  Result<std::shared_ptr<ViewRegion>> view(ObjectStream& stream, Interrupt& interrupt,
                                           Duration progress_limit = seconds(3600)) {
    return view_stream(house_.scheduler, stream,
                       {.progress_limit = progress_limit, .sequential = false}, interrupt);
  }
};

TEST_F(AbandonedViewTest, TheRestOfAnInterruptedGetbufferWasFetchedForNobody) {
  for (const int steps : {0, 1, 10, 40}) {
    const auto a = open_unswept("a");
    InterruptedLater interrupt(house_.transport, steps < 40 ? 0 : 1, steps);
    EXPECT_EQ(view(*a, interrupt).status().code(), StatusCode::kInterrupted);
    expect_nothing_in_line(*a);
    house_.scheduler.objects().close(*a);
  }
  expect_all_comes_back();
}

TEST_F(AbandonedViewTest, SoWasThatOfAGetbufferThatTimedOut) {
  const auto a = open_unswept("a");
  answer(0, hangs_at(0));
  EXPECT_EQ(view(*a, time_passes_, seconds(30)).status().code(), StatusCode::kTransferTimeout);
  expect_nothing_in_line(*a);
  expect_all_comes_back();
}

TEST_F(AbandonedViewTest, TheRestOfAGetbufferThatFailsIsNotFetched) {
  const auto a = open_unswept("a");
  answer(2, oss_error(403, "AccessDenied"));
  EXPECT_EQ(view(*a, house_.pump).status().code(), StatusCode::kAccessDenied);
  expect_nothing_in_line(*a);
  expect_all_comes_back();
}

TEST_F(AbandonedViewTest, AnInterruptedGetbufferLeavesAnothersAlone) {
  const auto a = open_unswept("a");
  Views& views = house_.scheduler.views();
  const std::uint64_t turn = views.take_turn();
  const auto fresh = ViewRegion::make(a->size()).value();
  ViewAnswer answer = ViewAnswer::kNoMemory;
  std::shared_ptr<ViewRegion> region;
  ASSERT_TRUE(views.try_reserve(*a, turn, fresh, &answer, &region).is_ok());
  ASSERT_EQ(answer, ViewAnswer::kReserved);
  InterruptedLater interrupt(house_.transport, 0, 1);
  EXPECT_EQ(view(*a, interrupt).status().code(), StatusCode::kInterrupted);
  house_.transport.run();
  EXPECT_EQ(house_.ranges().size(), kViewChunks);
  const auto filled = views.finish(*a, std::move(region), true);
  EXPECT_TRUE(matches_pattern(filled->data(), house_.objects["a"].seed, 0, a->size()));
  expect_nothing_in_line(*a);
}

TEST_F(AbandonedViewTest, AReadBehindAnInterruptedGetbufferIsReadAhead) {
  const auto a = open_unswept("a");
  InterruptedLater interrupt(house_.transport, 0, 0);
  EXPECT_EQ(view(*a, interrupt).status().code(), StatusCode::kInterrupted);
  std::string got;
  EXPECT_TRUE(house_.read(*a, 0, kChunk, &got).is_ok());
  house_.transport.run();
  EXPECT_EQ(house_.ranges().size(), kViewChunks);
  expect_all_comes_back();
}

TEST_F(AbandonedViewTest, AGetbufferOfManySmallObjectsLeavesNothingBehind) {
  SchedulerHouse house({.budget_bytes = 4 * kChunk});
  for (int i = 0; i < (is_long_run() ? 10'000 : 2000); ++i) {
    const std::string key = "s" + std::to_string(i % 7);
    if (i < 7) house.add_object(key, 500 + static_cast<std::uint64_t>(i));
    const auto small = house.open_now(key);
    auto view = view_stream(house.scheduler, *small, {.sequential = false}, house.pump);
    ASSERT_TRUE(view.is_ok()) << view.status().message();
    const std::weak_ptr<ViewRegion> region = house.scheduler.views().region_of(*small);
    ASSERT_EQ(house.budget->used_bytes(), small->size());
    if (i % 2 == 0) *view = nullptr;
    house.scheduler.objects().close(*small);
    EXPECT_EQ(house.scheduler.views().region_of(*small), nullptr);
    *view = nullptr;
    ASSERT_TRUE(region.expired());
    ASSERT_EQ(small.use_count(), 1);
    ASSERT_EQ(house.budget->used_bytes(), 0U);
  }
  // A view may use all of the budget: nothing counts as used.
  house.add_object("all", 4 * kChunk);
  const auto all = house.open_now("all");
  EXPECT_TRUE(view_stream(house.scheduler, *all, {.sequential = false}, house.pump).is_ok());
}

}  // namespace
}  // namespace ossmc
