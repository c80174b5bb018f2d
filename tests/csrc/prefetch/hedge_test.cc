// Second requests for slow chunks: the real scheduler over a fake transport in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "csrc/prefetch/scheduler_fixture.h"
#include "prefetch/hedge_rule.h"

namespace ossmc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(HedgeRule, KnowsNothingBeforeItHasSeenEnough) {
  Histogram took;
  HedgeRule rule;
  for (std::uint64_t i = 0; i + 1 < HedgeRule::kLeastSamples; ++i) took.record(1'000'000);
  EXPECT_EQ(rule.slow_after(took, TimePoint(seconds(1))), Duration::max());
  took.record(1'000'000);
  EXPECT_EQ(rule.slow_after(took, TimePoint(milliseconds(1500))), Duration::max());
  EXPECT_NEAR(std::chrono::duration<double>(rule.slow_after(took, TimePoint(seconds(2)))).count(),
              2.0, 0.05);
}

TEST(HedgeRule, IsTwiceWhatNinetyEightOfAHundredTookAndNotLess) {
  Histogram took;
  HedgeRule rule;
  for (int i = 0; i < 980; ++i) took.record(200'000);
  for (int i = 0; i < 20; ++i) took.record(30'000'000);
  EXPECT_NEAR(std::chrono::duration<double>(rule.slow_after(took, TimePoint(seconds(1)))).count(),
              0.4, 0.01);
  Histogram quick;
  HedgeRule other;
  for (int i = 0; i < 1000; ++i) quick.record(10);
  EXPECT_EQ(other.slow_after(quick, TimePoint(seconds(1))), HedgeRule::kLeast);
}

TEST(HedgeRule, FollowsWhatIsUsualNow) {
  Histogram took;
  HedgeRule rule;
  for (int i = 0; i < 1000; ++i) took.record(100'000);
  TimePoint now(seconds(1));
  rule.slow_after(took, now);
  for (int i = 0; i < 100; ++i) took.record(5'000'000);
  now += HedgeRule::kWindow;
  EXPECT_NEAR(std::chrono::duration<double>(rule.slow_after(took, now)).count(), 10.0, 0.3);
}

TEST(HedgeRule, TwoInAHundredRequests) {
  EXPECT_FALSE(HedgeRule::may_hedge(0, 49));
  EXPECT_TRUE(HedgeRule::may_hedge(0, 50));
  EXPECT_FALSE(HedgeRule::may_hedge(1, 99));
  EXPECT_TRUE(HedgeRule::may_hedge(1, 100));
}

// Chunk 80 of 100 is slow.
class HedgeTest : public testing::Test {
 protected:
  HedgeTest() {
    house_.add_object("big", 100 * std::uint64_t{kChunk});
    house_.fault = [this](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
      if (!header_of(request, "Range").ends_with("-" + std::to_string(81 * kChunk - 1)))
        return std::nullopt;
      if (header_of(request, "If-Match").empty()) return std::nullopt;
      ranges_.push_back(header_of(request, "Range"));
      FakeReply reply = serve(house_.objects["big"], request);
      reply.piece_delay = piece_delay_;
      if (ranges_.size() > 1) return second_ ? second_(reply) : reply;
      reply.head_delay = head_delay_;
      if (first_hangs_) {
        reply.hangs = true;
        reply.body.pop_back();
      }
      return reply;
    };
  }

  Status read(std::uint64_t begin, std::size_t size) {
    bytes_.resize(size);
    return read_stream(house_.scheduler, *stream_, begin,
                       reinterpret_cast<std::byte*>(bytes_.data()), size,
                       {.progress_limit = seconds(3600), .sequential = true}, passing_time_);
  }
  Status read_all() {
    stream_ = house_.open_now("big");
    return read(0, stream_->size());
  }
  void expect_right_bytes() { EXPECT_TRUE(bytes_ == house_.expected("big", 0, stream_->size())); }
  // After close everything ends, and no memory is left.
  void expect_clean_end() {
    house_.scheduler.objects().close(*stream_);
    EXPECT_EQ(house_.scheduler.memory_bytes(), 0u);
    house_.transport.run();
    EXPECT_EQ(house_.transport.in_progress(), 0);
    EXPECT_EQ(house_.budget->used_bytes(), 0u);
  }
  std::uint64_t hedges() const { return load(house_.parts.counters.hedges); }

  SchedulerHouse house_{{.chunk_bytes = kChunk, .budget_bytes = 16 * std::uint64_t{kChunk}}};
  // What hangs does not keep the reader's time from passing.
  struct PassingTime final : Interrupt {
    explicit PassingTime(FakeTransport& transport) : transport_(transport) {}
    bool pending() override {
      transport_.run_for(step);
      return false;
    }
    FakeTransport& transport_;
    Duration step = seconds(1);
  };
  PassingTime passing_time_{house_.transport};
  Duration head_delay_{};
  Duration piece_delay_ = seconds(1);  // four pieces a chunk
  bool first_hangs_ = true;
  std::function<FakeReply(FakeReply)> second_;
  std::vector<std::string> ranges_;
  std::shared_ptr<ObjectStream> stream_;
  std::string bytes_;
};

TEST_F(HedgeTest, AChunkThatHangsIsOvertaken) {
  piece_delay_ = milliseconds(150);  // one piece has come when it is found slow
  EXPECT_TRUE(read_all().is_ok());
  expect_right_bytes();
  EXPECT_EQ(hedges(), 1u);
  // Only what had not come was asked for again.
  ASSERT_EQ(ranges_.size(), 2u);
  EXPECT_NE(ranges_[1], ranges_[0]);
  EXPECT_EQ(load(house_.parts.counters.retries), 0u);
  expect_clean_end();
}

TEST_F(HedgeTest, BeforeTheFirstByteToo) {
  head_delay_ = seconds(1000);
  EXPECT_TRUE(read_all().is_ok());
  expect_right_bytes();
  EXPECT_EQ(hedges(), 1u);
  ASSERT_EQ(ranges_.size(), 2u);
  EXPECT_EQ(ranges_[1], ranges_[0]);
  expect_clean_end();
}

TEST_F(HedgeTest, TheChunksOwnRequestMayStillBeFirst) {
  first_hangs_ = false;
  EXPECT_TRUE(read_all().is_ok());
  expect_right_bytes();
  EXPECT_EQ(hedges(), 1u);
  expect_clean_end();
}

TEST_F(HedgeTest, ASecondRequestThatFailsDoesNoHarm) {
  first_hangs_ = false;
  const std::vector<std::function<FakeReply(FakeReply)>> failures = {
      [](FakeReply) { return oss_error(500, "InternalError"); },
      [](FakeReply) { return fail_with(TransportError::kConnect); },
      [](FakeReply reply) { return reply.reset_after(20'000); },
      [](FakeReply reply) { return reply.with_header("ETag", "\"OTHER\""); },
      [](FakeReply reply) {
        reply.body.push_back("more");
        return reply;
      },
  };
  for (const auto& failure : failures) {
    ranges_.clear();
    second_ = failure;
    const std::uint64_t before = hedges();
    EXPECT_TRUE(read_all().is_ok());
    expect_right_bytes();
    EXPECT_EQ(hedges(), before + 1);
    EXPECT_EQ(load(house_.parts.counters.retries), 0u);
    expect_clean_end();
  }
}

TEST_F(HedgeTest, AChunkThatWaitsForItsRetryIsCompleted) {
  first_hangs_ = false;
  piece_delay_ = seconds(10);
  passing_time_.step = seconds(20);
  second_ = [](FakeReply reply) {
    reply.piece_delay = seconds(20);
    return reply;
  };
  house_.parts.context.retry.base = house_.parts.context.retry.cap = seconds(100'000);
  const auto plain = house_.fault;
  house_.fault = [this, plain](const HttpRequest& request, std::size_t index) {
    std::optional<FakeReply> reply = plain(request, index);
    if (reply.has_value() && ranges_.size() == 1) reply->reset_after(30'000);
    return reply;
  };
  const TimePoint begin = house_.parts.clock.now();
  EXPECT_TRUE(read_all().is_ok());
  expect_right_bytes();
  EXPECT_EQ(hedges(), 1u);
  EXPECT_EQ(ranges_.size(), 2u);
  EXPECT_LT(house_.parts.clock.now() - begin, seconds(300));
  expect_clean_end();
}

// The chunk's own request looked for the second one's bytes before they were there, and parked when
// they were: its reader was told that it was closed.
TEST_F(HedgeTest, AChunkWhoseSecondRequestEndsWhileItGivesUpWasTakenForClosed) {
  first_hangs_ = false;
  piece_delay_ = seconds(10);
  passing_time_.step = seconds(20);
  const auto plain = house_.fault;
  house_.fault = [this, plain](const HttpRequest& request, std::size_t index) {
    std::optional<FakeReply> reply = plain(request, index);
    if (reply.has_value() && ranges_.size() == 1) reply->reset_after(50'000);
    return reply;
  };
  house_.parts.context.retry.base = house_.parts.context.retry.cap = seconds(100'000);
  second_ = [](FakeReply reply) {
    reply.piece_delay = seconds(20);
    return reply;
  };
  bool once = false;
  // It draws how long to wait.
  house_.parts.random.on_uniform = [&] {
    if (std::exchange(once, true)) return;
    ASSERT_EQ(hedges(), 1u);
    house_.transport.run_until([this] { return house_.transport.in_progress() == 0; });
  };
  const TimePoint begin = house_.parts.clock.now();
  EXPECT_TRUE(read_all().is_ok());
  EXPECT_TRUE(once);
  EXPECT_LT(house_.parts.clock.now() - begin, seconds(300));
  expect_right_bytes();
  EXPECT_EQ(ranges_.size(), 2u);
  expect_clean_end();
}

// Two hedges of one chunk: the one that ended last wrote into a fetch that was no more.
TEST_F(HedgeTest, ThreadsThatLookAtTheSameTimeCrashed) {
  stream_ = house_.open_now("big");
  ASSERT_TRUE(read(0, 80 * std::size_t{kChunk}).is_ok());
  house_.transport.run_for(milliseconds(50));  // all that may be read ahead is on its way
  ASSERT_EQ(hedges(), 0u);
  house_.scheduler.claims().claim(*stream_, 80);
  // While one I/O thread signs the hedge, for which it has memory already, the other one asks for
  // work.
  const std::uint64_t used = house_.budget->used_bytes();
  Exchange* other = nullptr;
  int looks = 0;
  house_.parts.clock.on_unix_seconds = [&] {
    if (house_.budget->used_bytes() == used || ++looks != 1) return;
    EXPECT_EQ(hedges(), 0u);
    house_.parts.clock.advance(seconds(2));
    other = house_.scheduler.next(1, {});
  };
  while (hedges() == 0) ASSERT_TRUE(house_.transport.step());
  EXPECT_GE(looks, 1);
  EXPECT_EQ(other, nullptr);
  EXPECT_EQ(hedges(), 1u);
  expect_clean_end();
  house_.scheduler.claims().release(*stream_, 80);
}

TEST_F(HedgeTest, CloseEndsBoth) {
  first_hangs_ = false;
  stream_ = house_.open_now("big");
  ASSERT_TRUE(read(0, 80 * std::size_t{kChunk}).is_ok());
  house_.scheduler.claims().claim(*stream_, 80);
  while (hedges() == 0) ASSERT_TRUE(house_.transport.step());
  expect_clean_end();
  house_.scheduler.claims().release(*stream_, 80);
}

TEST_F(HedgeTest, MemoryOfAClosedObjectWasCountedUntilItsFetchTookTheSecondRequestsBytes) {
  first_hangs_ = false;
  second_ = [](FakeReply reply) {
    reply.piece_delay = milliseconds(1);
    return reply;
  };
  stream_ = house_.open_now("big");
  ASSERT_TRUE(read(0, 80 * std::size_t{kChunk}).is_ok());
  house_.scheduler.claims().claim(*stream_, 80);
  while (hedges() == 0) ASSERT_TRUE(house_.transport.step());
  const auto uses_hedge = [&] {
    return std::ranges::any_of(house_.transport.exchanges(), [&](const Exchange* exchange) {
      const auto* const fetch = dynamic_cast<const ChunkFetch*>(exchange);
      return fetch != nullptr && &fetch->sink() == &stream_->slot(80).chunk && fetch->cancelled();
    });
  };
  while (!uses_hedge()) ASSERT_TRUE(house_.transport.step());
  expect_clean_end();
  house_.scheduler.claims().release(*stream_, 80);
}

// Which of them lies first in memory decided it: the same seed made another schedule.
TEST_F(HedgeTest, OfChunksThatBeganTogetherTheFirstOneIsAskedForAgain) {
  std::vector<std::string> again;
  house_.fault = [this, &again](const HttpRequest& request,
                                std::size_t) -> std::optional<FakeReply> {
    if (header_of(request, "If-Match").empty()) return std::nullopt;
    const std::string range = header_of(request, "Range");
    const auto asked = [&](const auto& started) {
      return header_of(started.request, "Range") == range;
    };
    if (std::ranges::count_if(house_.transport.started(), asked) > 1) again.push_back(range);
    FakeReply slow = serve(house_.objects["big"], request);
    slow.head_delay = seconds(5);
    return slow;
  };
  stream_ = house_.open_now("big");
  for (std::uint64_t i = 0; i < 2 * HedgeRule::kRequestsPerHedge; ++i)
    house_.parts.counters.chunk_whole_us.record(1000);
  add(house_.parts.counters.requests, 2 * HedgeRule::kRequestsPerHedge);
  for (const std::uint64_t i : {4, 3, 2, 1}) house_.scheduler.claims().claim(*stream_, i);
  while (again.size() < 2) ASSERT_TRUE(house_.transport.step());
  EXPECT_THAT(again[0], testing::HasSubstr("=" + std::to_string(kChunk) + "-"));
  EXPECT_THAT(again[1], testing::HasSubstr("=" + std::to_string(2 * kChunk) + "-"));
  for (const std::uint64_t i : {4, 3, 2, 1}) house_.scheduler.claims().release(*stream_, i);
  expect_clean_end();
}

TEST_F(HedgeTest, NotAboveTwoInAHundred) {
  house_.fault = [this](const HttpRequest& request, std::size_t index) -> std::optional<FakeReply> {
    if (index < 60 || index % 3 != 0) return std::nullopt;
    FakeReply slow = serve(house_.objects["big"], request);
    slow.piece_delay = milliseconds(500);
    return slow;
  };
  EXPECT_TRUE(read_all().is_ok());
  expect_right_bytes();
  EXPECT_GT(hedges(), 0u);
  EXPECT_LE(hedges() * HedgeRule::kRequestsPerHedge, house_.transport.started().size());
}

}  // namespace
}  // namespace ossmc
