// Reads that receive in their callers' memory: what comes instead of right bytes, how calls end,
// and what is known of the bytes then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <memory>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include "csrc/prefetch/pieces_fixture.h"
#include "prefetch/hedge_rule.h"

namespace ossmc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Verdict = Verification::Verdict;

// --- retries, resumes, hedges ---

class PiecesFaultsTest : public PiecesTest {
 protected:
  std::shared_ptr<ObjectStream> a_ = house_.open_known("a", false);
};

TEST_F(PiecesFaultsTest, APieceThatBreaksIsResumedAtTheNextByte) {
  answer_once("a", 10 * kChunk, [](FakeReply reply) { return reply.reset_after(30'000); });
  expect_read(*a_, 10 * kChunk, 50'000);
  EXPECT_THAT(asked(), ElementsAre(name_of("a", 10 * kChunk, 50'000),
                                   name_of("a", 10 * kChunk + 30'000, 20'000)));
  EXPECT_EQ(load(house_.parts.counters.retries), 1U);
  expect_clean_end();
}

TEST_F(PiecesFaultsTest, OneThatFailsIsTriedAgain) {
  answer_once("a", 10 * kChunk, [](FakeReply) { return oss_error(500, "InternalError"); });
  answer_once("a", 12 * kChunk, [](FakeReply) { return fail_with(TransportError::kConnect); });
  expect_read(*a_, 10 * kChunk, 5 * kChunk);
  EXPECT_EQ(load(house_.parts.counters.retries), 2U);
}

TEST_F(PiecesFaultsTest, AnErrorIsThatOfThePiece) {
  answer_once("a", 12 * kChunk, [](FakeReply) { return oss_error(403, "AccessDenied"); });
  const Status status = read(*a_, 10 * kChunk, 5 * kChunk, settles_);
  EXPECT_EQ(status.code(), StatusCode::kAccessDenied);
  EXPECT_THAT(status.message(), HasSubstr(std::to_string(12 * kChunk)));
  expect_read(*a_, 10 * kChunk, 5 * kChunk);  // it may be tried again
  expect_clean_end();
}

TEST_F(PiecesFaultsTest, AnObjectThatChangedIsToldByItsFirstRead) {
  house_.objects["a"].etag = "OTHER";
  EXPECT_EQ(read(*a_, 10 * kChunk, 100, settles_).code(), StatusCode::kObjectChanged);
}

class PiecesHedgeTest : public PiecesFaultsTest {
 protected:
  PiecesHedgeTest() {
    // What is usual is known.
    for (std::uint64_t i = 0; i < 2 * HedgeRule::kRequestsPerHedge; ++i)
      house_.parts.counters.chunk_whole_us.record(1000);
    add(house_.parts.counters.requests, 2 * HedgeRule::kRequestsPerHedge);
  }
  // The clock goes on though something hangs.
  ScriptedInterrupt time_passes_{[this] {
    house_.transport.run_for(milliseconds(100));
    return false;
  }};
  std::uint64_t hedges() const { return load(house_.parts.counters.hedges); }
};

TEST_F(PiecesHedgeTest, APieceThatHangsIsOvertakenFromWhereItIs) {
  answer_once("a", 10 * kChunk, [](FakeReply reply) {
    reply.hangs = true;
    reply.body.resize(1);
    return reply;
  });
  expect_read(*a_, 10 * kChunk, 50'000, time_passes_);
  EXPECT_EQ(hedges(), 1U);
  EXPECT_THAT(asked(), ElementsAre(name_of("a", 10 * kChunk, 50'000),
                                   name_of("a", 10 * kChunk + 16'384, 50'000 - 16'384)));
  expect_clean_end();
}

TEST_F(PiecesHedgeTest, SoIsOneOfAWholeChunk) {
  answer_once("a", 12 * kChunk, [](FakeReply reply) {
    reply.head_delay = std::chrono::hours(10);
    return reply;
  });
  expect_read(*a_, 10 * kChunk, 5 * kChunk, time_passes_);
  EXPECT_EQ(hedges(), 1U);
  EXPECT_EQ(std::ranges::count(asked(), chunk_request("a", 12)), 2);
  expect_clean_end();
}

TEST_F(PiecesHedgeTest, ACallThatEndsEndsBothRequests) {
  const auto slow = [](FakeReply reply) {
    reply.hangs = true;
    reply.body.pop_back();
    return reply;
  };
  answer_once("a", 10 * kChunk, slow);
  auto buffer = std::make_unique<std::byte[]>(kChunk - 1);
  ScriptedInterrupt until_hedged([&] {
    hang_at("a", 10 * kChunk);
    hang_at("a", 10 * kChunk + 49'152);
    house_.transport.run_for(milliseconds(100));
    return hedges() == 1;
  });
  EXPECT_EQ(read_stream(house_.scheduler, *a_, 10 * kChunk, buffer.get(), kChunk - 1, options(),
                        until_hedged)
                .code(),
            StatusCode::kInterrupted);
  buffer = nullptr;
  EXPECT_EQ(house_.transport.in_progress(), 2);
  settle();
  EXPECT_EQ(house_.transport.in_progress(), 0);
  EXPECT_EQ(house_.budget->used_bytes(), 0U);
}

// --- the end of a call ---

class PiecesEndedTest : public PiecesFaultsTest {
 protected:
  // Bytes arrive for all that is in flight, whether it was cancelled or not.
  void bytes_arrive() {
    for (const Exchange* const in_flight : house_.transport.exchanges()) {
      auto& exchange = const_cast<Exchange&>(*in_flight);
      const std::vector<std::byte> bytes(1000, std::byte{0xEE});
      exchange.on_body(bytes.data(), bytes.size());
    }
  }
  // The end of the read that receives 10 chunks in memory that is freed at once.
  void expect_no_write_after(StatusCode code, Interrupt& interrupt, Duration limit) {
    auto buffer = std::make_unique<std::byte[]>(10 * kChunk);
    const StreamPart part{10 * kChunk, {buffer.get(), 10 * kChunk}};
    EXPECT_EQ(read_stream_parts(house_.scheduler, *a_, {&part, 1}, options(false, limit), interrupt)
                  .code(),
              code);
    buffer = nullptr;
    bytes_arrive();
    settle();
    EXPECT_EQ(house_.transport.in_progress(), 0);
  }
};

TEST_F(PiecesEndedTest, AfterAnInterruptNothingIsWrittenAnyMore) {
  for (int steps = 0; steps < 60; steps += 3) {
    int left = steps;
    bool was_in_flight = false;
    ScriptedInterrupt interrupt([&] {
      while (left-- > 0) house_.transport.step();
      was_in_flight = house_.transport.in_progress() > 0;
      return true;
    });
    expect_no_write_after(StatusCode::kInterrupted, interrupt, std::chrono::hours(1));
    EXPECT_EQ(was_in_flight, steps > 0);
    for (std::uint64_t i = 0; i < kObjectChunks; ++i)
      ASSERT_EQ(a_->slot(i).work, ChunkSlot::Work::kNone) << i;
  }
  expect_clean_end();
}

TEST_F(PiecesEndedTest, NorAfterAClose) {
  for (int steps = 1; steps < 60; steps += 5) {
    ScriptedInterrupt closes([&] {
      for (int i = 0; i < steps; ++i) house_.transport.step();
      house_.scheduler.objects().close(*a_);
      return false;
    });
    expect_no_write_after(StatusCode::kClosed, closes, std::chrono::hours(1));
    EXPECT_EQ(a_.use_count(), 1);
    a_ = house_.open_known("a", false);
  }
  expect_clean_end();
}

TEST_F(PiecesEndedTest, NorAfterATimeLimit) {
  for (std::uint64_t i = 10; i < 20; i += 3) hang_at("a", i * kChunk);
  ScriptedInterrupt time_passes([&] {
    house_.transport.run_for(seconds(10));
    return false;
  });
  expect_no_write_after(StatusCode::kTransferTimeout, time_passes, seconds(30));
  expect_clean_end();
}

TEST_F(PiecesEndedTest, NorAfterAFailure) {
  answer_once("a", 13 * kChunk, [](FakeReply) { return oss_error(403, "AccessDenied"); });
  for (const std::uint64_t i : {11, 17}) hang_at("a", i * kChunk);
  expect_no_write_after(StatusCode::kAccessDenied, settles_, std::chrono::hours(1));
  expect_clean_end();
}

TEST_F(PiecesEndedTest, NorByAPieceThatWaitsForItsRetry) {
  house_.parts.context.retry.base = house_.parts.context.retry.cap = seconds(1000);
  for (const std::uint64_t i : {11, 17})
    answer_once("a", i * kChunk, [](FakeReply reply) { return reply.reset_after(20'000); });
  ScriptedInterrupt interrupt([&] {
    house_.transport.run_for(seconds(1));
    EXPECT_EQ(house_.transport.in_progress(), 0);
    return true;
  });
  expect_no_write_after(StatusCode::kInterrupted, interrupt, std::chrono::hours(1));
  EXPECT_EQ(asked_so_far(), 10U);  // nobody waits for it any more
  expect_clean_end();
}

// An I/O thread has taken the piece, and makes its request while the call ends.
TEST_F(PiecesEndedTest, NorByAPieceThatIsJustBeingStarted) {
  int signed_ = 0;
  auto buffer = std::make_unique<std::byte[]>(1000);
  std::shared_ptr<PieceCall> call = std::make_shared<PieceCall>();
  PieceStart started;
  house_.parts.clock.on_unix_seconds = [&] {
    if (signed_++ != 0) return;
    call->memory->take_back();
    house_.scheduler.pieces().end(*call, started.pieces, false);
    buffer = nullptr;
  };
  const StreamPart part{10 * kChunk, {buffer.get(), 1000}};
  started = house_.scheduler.pieces().start(a_, {&part, 1}, call, ReadOptions{.pieces = true});
  settle();
  EXPECT_EQ(buffer, nullptr);
  EXPECT_EQ(house_.transport.in_progress(), 0);
  expect_clean_end();
}

TEST_F(PiecesEndedTest, AReadThatGetsBytesNeverTimesOut) {
  answer_once("a", 10 * kChunk, [](FakeReply reply) {
    reply.piece_delay = seconds(8);
    return reply;
  });
  ScriptedInterrupt time_passes([&] {
    house_.transport.run_for(seconds(5));
    return false;
  });
  got_.assign(kChunk - 1, '?');
  EXPECT_TRUE(read_stream(house_.scheduler, *a_, 10 * kChunk,
                          reinterpret_cast<std::byte*>(got_.data()), got_.size(),
                          options(false, seconds(12)), time_passes)
                  .is_ok());
}

// --- turns ---

using PiecesTurnsTest = PiecesFaultsTest;

TEST_F(PiecesTurnsTest, TwoCallsTakeTurns) {
  const auto b = house_.open_known("b", false);
  std::array<std::shared_ptr<PieceCall>, 2> calls = {std::make_shared<PieceCall>(),
                                                     std::make_shared<PieceCall>()};
  std::array<PieceStart, 2> started;
  std::array<std::string, 2> to;
  for (std::size_t which : {0, 1}) {
    to[which].assign(1000, '?');
    std::vector<StreamPart> parts;
    for (std::uint64_t i = 0; i < 10; ++i) {
      parts.emplace_back((10 + 2 * i) * kChunk + 5,
                         std::as_writable_bytes(std::span(to[which])).subspan(i * 100, 100));
    }
    started[which] = house_.scheduler.pieces().start(which == 0 ? a_ : b, parts, calls[which],
                                                     ReadOptions{.pieces = true});
  }
  house_.transport.step();
  const std::vector<std::string> all = asked();
  ASSERT_GE(all.size(), 16U);
  for (std::size_t i = 0; i < all.size(); ++i)
    EXPECT_EQ(all[i], name_of(i % 2 == 0 ? "a" : "b", (10 + i / 2 * 2) * kChunk + 5, 100));
  settle();
  for (std::size_t which : {0, 1}) {
    EXPECT_EQ(calls[which]->missing.load(), 0U);
    calls[which]->memory->take_back();
    house_.scheduler.pieces().end(*calls[which], started[which].pieces, true);
  }
  expect_clean_end();
}

TEST_F(PiecesTurnsTest, ClaimsAndPiecesTakeTurns) {
  const auto b = house_.open_known("b", false);
  for (std::uint64_t i = 0; i < 6; ++i) house_.scheduler.claims().claim(*b, i);
  std::vector<std::string> to(6, std::string(100, '?'));
  std::vector<StreamPart> parts;
  for (std::uint64_t i = 0; i < 6; ++i)
    parts.emplace_back((10 + 2 * i) * kChunk + 5, std::as_writable_bytes(std::span(to[i])));
  ScriptedInterrupt looks([&] {
    settle();
    return false;
  });
  EXPECT_TRUE(read_stream_parts(house_.scheduler, *a_, parts, options(), looks).is_ok());
  const std::vector<std::string> all = asked();
  int ahead = 0;
  for (std::size_t i = 0; i < 10; ++i) {
    ahead += all[i].starts_with("a") ? 1 : -1;
    EXPECT_LE(std::abs(ahead), 1) << i;
  }
  for (std::uint64_t i = 0; i < 6; ++i) house_.scheduler.claims().release(*b, i);
  expect_clean_end();
}

TEST_F(PiecesTurnsTest, LargePiecesLeaveTheUrgentConnectionsAlone) {
  for (std::uint64_t i = 0; i < kObjectChunks; ++i) hang_at("a", i * kChunk);
  auto buffer = std::make_unique<std::byte[]>(kObjectChunks * kChunk);
  int looks = 0;
  ScriptedInterrupt interrupt([&] {
    settle();
    return ++looks == 2;
  });
  const StreamPart part{0, {buffer.get(), kObjectChunks * kChunk}};
  EXPECT_EQ(read_stream_parts(house_.scheduler, *a_, {&part, 1}, options(), interrupt).code(),
            StatusCode::kInterrupted);
  EXPECT_EQ(asked_so_far(), 8U);
  // One more, by an urgent one: small.
  settle();
  expect_clean_end();
}

class PiecesLittleMemoryTest : public PiecesTest {
 protected:
  static HouseOptions two_chunks() {
    HouseOptions options = pieces_options();
    options.budget_bytes = 2 * kChunk;
    return options;
  }
  PiecesLittleMemoryTest() : PiecesTest(two_chunks()) {}
};

TEST_F(PiecesLittleMemoryTest, PiecesGoPastAClaimThatWaitsForMemory) {
  const auto a = house_.open_known("a", false);
  const auto b = house_.open_known("b", false);
  for (const std::uint64_t i : {1, 2, 3}) house_.scheduler.claims().claim(*b, i);
  settle();
  ASSERT_EQ(b->slot(3).work, ChunkSlot::Work::kUrgent);
  ASSERT_EQ(house_.budget->free_bytes(), 0U);
  expect_read(*a, 7 * kChunk + 5, 100);
  expect_read(*a, 20 * kChunk, 6 * kChunk);
  EXPECT_EQ(b->slot(3).work, ChunkSlot::Work::kUrgent);
  for (const std::uint64_t i : {1, 2, 3}) house_.scheduler.claims().release(*b, i);
  expect_clean_end();
}

// Its rest had been read in memory. It stood among what nobody had read, which goes last.
TEST_F(PiecesLittleMemoryTest, AChunkWhoseLastBytesCameAsAPieceWasNotConsumed) {
  const auto a = house_.open_known("a", false);
  const auto call = std::make_shared<PieceCall>();
  std::string to(1000, '?');
  const StreamPart part{5 * kChunk, std::as_writable_bytes(std::span(to))};
  const PieceStart started =
      house_.scheduler.pieces().start(a, {&part, 1}, call, ReadOptions{.pieces = true});
  ASSERT_EQ(started.pieces.size(), 1U);
  ChunkClaims& claims = house_.scheduler.claims();
  std::string rest;
  ASSERT_TRUE(house_.read(*a, 5 * kChunk + 1000, kChunk - 1000, &rest, false).is_ok());
  claims.claim(*a, 6);
  settle();
  claims.release(*a, 6);
  ASSERT_EQ(call->missing.load(), 0U);
  call->memory->take_back();
  house_.scheduler.pieces().end(*call, started.pieces, true);
  claims.claim(*a, 20);
  settle();
  const auto phase = [&](std::uint64_t index) { return a->slot(index).chunk.view().phase; };
  EXPECT_EQ(phase(20), ChunkPhase::kReady);
  EXPECT_EQ(phase(6), ChunkPhase::kReady);
  EXPECT_EQ(phase(5), ChunkPhase::kAbsent);
  claims.release(*a, 20);
  expect_clean_end();
}

// --- what is known of the bytes ---

class PiecesCrcTest : public PiecesTest {
 protected:
  PiecesCrcTest() { house_.add_object("c", kChunks * kChunk - 100); }
  static constexpr std::uint64_t kChunks = 4;

  // A reply whose byte `at` of the body is another.
  static std::function<FakeReply(FakeReply)> flip(std::size_t at) {
    return [at](FakeReply reply) {
      std::size_t left = at;
      for (std::string& piece : reply.body) {
        if (left < piece.size()) {
          piece[left] = static_cast<char>(piece[left] ^ 1);
          break;
        }
        left -= piece.size();
      }
      return reply;
    };
  }
  std::shared_ptr<ObjectStream> c_ = open_c();

 private:
  std::shared_ptr<ObjectStream> open_c() {
    house_.add_object("c", kChunks * kChunk - 100);
    return house_.open_known("c", false, true);
  }
};

TEST_F(PiecesCrcTest, ALargeReadIsJudgedAsAnyOther) {
  expect_read(*c_, 0, c_->size());
  EXPECT_EQ(c_->verdict(), Verdict::kGood);
  EXPECT_FALSE(c_->verification.has_unchecked());
  EXPECT_EQ(asked_so_far(), kChunks);
  expect_clean_end();
}

TEST_F(PiecesCrcTest, AFlippedBitOfALargeReadIsFound) {
  answer_once("c", kChunk, flip(70));
  EXPECT_EQ(read(*c_, 0, c_->size(), settles_).code(), StatusCode::kChecksum);
  EXPECT_EQ(c_->verdict(), Verdict::kBad);
}

TEST_F(PiecesCrcTest, SmallReadsThatFollowEachOtherMakeTheChunkKnown) {
  for (std::uint64_t at = 0; at < c_->size(); at += 4096)
    expect_read(*c_, at, std::min<std::uint64_t>(4096, c_->size() - at), true);
  EXPECT_TRUE(c_->slot(0).fetched_before);
  EXPECT_EQ(c_->verdict(), Verdict::kGood);
  EXPECT_FALSE(c_->verification.has_unchecked());
  EXPECT_LT(asked_so_far(), 8U);
}

TEST_F(PiecesCrcTest, AFlippedBitInOneOfThemIsFound) {
  answer_once("c", 4096, flip(70));
  Status status;
  for (std::uint64_t at = 0; at < c_->size() && status.is_ok(); at += 4096) {
    status = read(*c_, at, std::min<std::uint64_t>(4096, c_->size() - at), settles_, true);
  }
  EXPECT_EQ(status.code(), StatusCode::kChecksum);
  EXPECT_EQ(c_->verdict(), Verdict::kBad);
}

TEST_F(PiecesCrcTest, PartsReadInAnyOrderAreComparedWhenTheChunkComes) {
  for (const std::uint64_t at : {50'000, 300, 20'000}) expect_read(*c_, at, 100);
  std::string all;
  EXPECT_TRUE(house_.read(*c_, 0, c_->size(), &all).is_ok());
  EXPECT_TRUE(all == house_.expected("c", 0, c_->size()));
  EXPECT_EQ(c_->verdict(), Verdict::kGood);
  EXPECT_FALSE(c_->verification.has_unchecked());
}

TEST_F(PiecesCrcTest, APartThatWasWrongIsFoundThen) {
  for (const std::uint64_t wrong : {50'000, 300, 20'000}) {
    const auto c = house_.open_known("c", false, true);
    answer_once("c", wrong, flip(40));
    for (const std::uint64_t at : {50'000, 300, 20'000})
      ASSERT_TRUE(read(*c, at, 100, settles_).is_ok());
    std::string all;
    EXPECT_EQ(house_.read(*c, 0, c->size(), &all).code(), StatusCode::kChecksum) << wrong;
    EXPECT_NE(c->verdict(), Verdict::kGood);
    house_.scheduler.objects().close(*c);
  }
}

TEST_F(PiecesCrcTest, SoIsAWrongBeginningOfAChunkThatComesAsAPiece) {
  answer_once("c", kChunk, flip(40));
  ASSERT_TRUE(read(*c_, kChunk, 100, settles_).is_ok());
  EXPECT_EQ(read(*c_, 0, c_->size(), settles_).code(), StatusCode::kChecksum);
  EXPECT_NE(c_->verdict(), Verdict::kGood);
}

TEST_F(PiecesCrcTest, OneThatCameWrongOnceComesRightTheSecondTime) {
  expect_read(*c_, kChunk + 30'000, 100);
  answer_once("c", kChunk, flip(30'050));
  expect_read(*c_, 0, c_->size());
  EXPECT_EQ(c_->verdict(), Verdict::kGood);
  EXPECT_EQ(std::ranges::count(asked(), name_of("c", kChunk, kChunk)), 2);
}

TEST_F(PiecesCrcTest, WithMorePartsThanAreKeptItIsNotSaidThatAllWereRight) {
  for (std::uint64_t i = 64; i > 0; --i) expect_read(*c_, i * 1000, 10);
  EXPECT_EQ(asked_so_far(), 64U);
  EXPECT_FALSE(c_->verification.has_unchecked());
  expect_read(*c_, 500, 10);
  EXPECT_TRUE(c_->verification.has_unchecked());
}

TEST_F(PiecesCrcTest, NorWhenAPartComesWhileTheChunkIsFetched) {
  const auto call = std::make_shared<PieceCall>();
  std::string to(100, '?');
  const StreamPart part{300, std::as_writable_bytes(std::span(to))};
  answer_once("c", 300, [](FakeReply reply) {
    reply.head_delay = milliseconds(20);
    return flip(40)(std::move(reply));
  });
  const PieceStart started =
      house_.scheduler.pieces().start(c_, {&part, 1}, call, ReadOptions{.pieces = true});
  house_.transport.step();
  std::string all;
  EXPECT_TRUE(house_.read(*c_, 0, c_->size(), &all).is_ok());
  EXPECT_EQ(call->missing.load(), 0U);
  EXPECT_TRUE(c_->verification.has_unchecked());
  call->memory->take_back();
  house_.scheduler.pieces().end(*call, started.pieces, true);
}

// It was not compared, and yet all were said to be right.
TEST_F(PiecesCrcTest, APartThatCameWhileAnotherCallReceivedItsChunkWasNotCompared) {
  const auto call = std::make_shared<PieceCall>();
  std::string to(100, '?');
  const StreamPart part{kChunk + 300, std::as_writable_bytes(std::span(to))};
  answer_once("c", kChunk + 300, [](FakeReply reply) {
    reply.head_delay = milliseconds(7);  // while the chunk is on its way
    return flip(40)(std::move(reply));
  });
  const PieceStart started =
      house_.scheduler.pieces().start(c_, {&part, 1}, call, ReadOptions{.pieces = true});
  house_.transport.step();
  expect_read(*c_, 0, c_->size());
  ASSERT_EQ(call->missing.load(), 0U);
  call->memory->take_back();
  house_.scheduler.pieces().end(*call, started.pieces, true);
  EXPECT_TRUE(c_->verdict() != Verdict::kGood || c_->verification.has_unchecked());
}

// A chunk that its beginning makes known, piece after piece, never comes whole.
TEST_F(PiecesCrcTest, APartOfAChunkThatNeverComesWholeWasNotCompared) {
  answer_once("c", 50'000, flip(40));
  ASSERT_TRUE(read(*c_, 50'000, 100, settles_).is_ok());
  for (std::uint64_t at = 0; at < kChunk; at += 16 << 10) expect_read(*c_, at, 16 << 10, true);
  ASSERT_TRUE(c_->slot(0).fetched_before);
  std::string rest;
  ASSERT_TRUE(house_.read(*c_, kChunk, c_->size() - kChunk, &rest).is_ok());
  EXPECT_TRUE(c_->verdict() != Verdict::kGood || c_->verification.has_unchecked());
}

TEST_F(PiecesCrcTest, WhatIsCheckedAloneNeedsNoMemory) {
  const ReadOptions how = options();
  PieceRead check(house_.scheduler, how, settles_);
  EXPECT_TRUE(check.check(c_).is_ok());
  EXPECT_EQ(c_->verdict(), Verdict::kGood);
  EXPECT_EQ(house_.budget->peak_bytes(), 0U);
  EXPECT_EQ(asked_so_far(), kChunks);
}

TEST_F(PiecesCrcTest, AndFindsAFlippedBit) {
  answer_once("c", 3 * kChunk, flip(5));
  const ReadOptions how = options();
  PieceRead check(house_.scheduler, how, settles_);
  EXPECT_TRUE(check.check(c_).is_ok());
  EXPECT_EQ(c_->verdict(), Verdict::kBad);
}

TEST_F(PiecesCrcTest, ACheckOfThousandsOfChunksAsksForSomeAtATime) {
  house_.add_object("long", 2000 * kChunk);
  const auto stream = house_.open_known("long", false);
  const ReadOptions how = options();
  std::size_t most_ahead = 0;
  std::size_t done = 0;
  ScriptedInterrupt looks([&] {
    const std::uint64_t planned = static_cast<std::uint64_t>(std::ranges::count_if(
        std::views::iota(std::uint64_t{0}, stream->chunk_count()),
        [&](std::uint64_t i) { return stream->slot(i).work == ChunkSlot::Work::kInPiece; }));
    most_ahead = std::max<std::size_t>(most_ahead, planned - done);
    settle();
    done = planned;
    return false;
  });
  PieceRead check(house_.scheduler, how, looks);
  EXPECT_TRUE(check.check(stream).is_ok());
  EXPECT_EQ(asked_so_far(), 2000U);
  EXPECT_LE(most_ahead, 512U);
}

// --- several objects in one call ---

// Each has what its small reads bring beside them; the first one's memory was freed.
TEST_F(PiecesTest, TheBytesNearbyOfTheFirstObjectWereLostWhenACallHadTwo) {
  const auto a = house_.open_known("a", false);
  const auto b = house_.open_known("b", false);
  expect_read(*a, 1000, 100);
  expect_read(*b, 5000, 100);
  std::string first(100, '?');
  std::string second(100, '?');
  const StreamPart of_a{1100, std::as_writable_bytes(std::span(first))};
  const StreamPart of_b{5100, std::as_writable_bytes(std::span(second))};
  const ReadOptions how = options();
  PieceRead both(house_.scheduler, how, settles_);
  EXPECT_THAT(both.start(a, {&of_a, 1}), IsEmpty());
  EXPECT_THAT(both.start(b, {&of_b, 1}), IsEmpty());
  ASSERT_TRUE(both.wait().is_ok());
  EXPECT_EQ(first, house_.expected("a", 1100, 100));
  EXPECT_EQ(second, house_.expected("b", 5100, 100));
  const std::size_t before = asked_so_far();
  expect_read(*a, 1200, 100);
  expect_read(*b, 5200, 100);
  EXPECT_EQ(asked_so_far(), before);
}

}  // namespace
}  // namespace ossmc
