#include "connector/byte_repair.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/crc64.h"
#include "csrc/prefetch/scheduler_fixture.h"
#include "support/csrc/forked_child.h"

namespace ossmc {
namespace {

constexpr std::uint64_t kObjectBytes = 8 * kChunk + 5;

// An object whose store tells its CRC-64 and sends some bytes wrong, the repair of one reader of
// it, and reads by way of that.
class RepairHouse {
 public:
  RepairHouse() {
    house.add_object("a", kObjectBytes);
    right = house.expected("a", 0, kObjectBytes);
    const std::string crc64 = std::to_string(crc64_update(0, right.data(), right.size()));
    house.fault = [this, crc64](const HttpRequest& request,
                                std::size_t) -> std::optional<FakeReply> {
      FakeReply reply = serve(house.objects["a"], request);
      spoil(request, reply);
      reply.with_header("x-oss-hash-crc64ecma", crc64);
      return reply;
    };
  }

  // The byte at `offset` comes wrong, so many times.
  void come_wrong(std::uint64_t offset, int times = 1) {
    wrong_at = offset;
    wrong_times = times;
  }
  // By a listing's word of the object, without a request.
  void open_listed() {
    const FakeObject& object = house.objects["a"];
    stream = house.scheduler.objects().open(
        {"bucket", "a"}, {.prefetches = false, .listed = ListedVersion{object.size, object.etag}});
    take_stream();
  }
  void open() {
    stream = house.open_now("a");
    take_stream();
  }
  void take_stream() {
    repair.emplace(stream->name(), stream->version(), ByteRepair::Source{&house.scheduler, stream},
                   std::chrono::seconds(3600), [this]() -> Result<Scheduler*> {
                     ++schedulers_asked_for;
                     if (while_asked_for) while_asked_for();
                     return &house.scheduler;
                   });
  }
  Status read(std::uint64_t offset, std::size_t size) {
    out.assign(size, '\0');
    return repair->run({offset, offset + size}, house.pump, [&](const ByteRepair::Source& source) {
      ++reads;
      return read_stream(
          *source.scheduler, *source.stream, offset, reinterpret_cast<std::byte*>(out.data()), size,
          {.progress_limit = std::chrono::seconds(3600), .sequential = true}, house.pump);
    });
  }
  Status read_all() { return read(0, kObjectBytes); }
  bool read_if_ready(std::uint64_t offset, std::size_t size) {
    out.assign(size, '\0');
    return repair->read_if_ready(offset, std::as_writable_bytes(std::span(out)));
  }
  // As soon as these bytes are there, and before the verdict on all.
  bool read_early(std::uint64_t offset, std::size_t size) {
    return house.transport.run_until([&] { return read_if_ready(offset, size); });
  }
  bool is_right(std::uint64_t offset) const {
    return out == right.substr(static_cast<std::size_t>(offset), out.size());
  }

  SchedulerHouse house;
  std::string right;
  std::string out;
  int reads = 0;
  int schedulers_asked_for = 0;
  std::function<void()> while_asked_for;
  std::shared_ptr<ObjectStream> stream;
  std::optional<ByteRepair> repair;

 private:
  void spoil(const HttpRequest& request, FakeReply& reply) {
    const std::string range = header_of(request, "Range");
    const std::uint64_t begin = std::stoull(range.substr(range.find('=') + 1));
    std::uint64_t at = wrong_at - begin;  // huge where it lies before
    for (std::string& piece : reply.body) {
      if (at < piece.size() && wrong_times > 0) {
        --wrong_times;
        piece[static_cast<std::size_t>(at)] ^= 1;
        return;
      }
      at -= std::min<std::uint64_t>(at, piece.size());
    }
  }

  std::uint64_t wrong_at = 0;
  int wrong_times = 0;
};

TEST(ByteRepair, WrongBytesThatNobodyHasAreFetchedAgain) {
  for (const std::uint64_t wrong : {std::uint64_t{0}, 3 * kChunk, kObjectBytes - 1}) {
    RepairHouse house;
    house.come_wrong(wrong);
    house.open();
    const Status status = house.read_all();
    ASSERT_TRUE(status.is_ok()) << status.message();
    EXPECT_TRUE(house.is_right(0));
    EXPECT_EQ(house.reads, 2);
    EXPECT_TRUE(house.repair->was_repaired());
    EXPECT_TRUE(house.repair->is_verified());
    EXPECT_EQ(load(house.house.parts.counters.refetches), 9u);
    EXPECT_TRUE(house.stream->is_closed());
  }
}

TEST(ByteRepair, WrongBytesOfAnObjectOpenedByAListingAreFetchedAgain) {
  RepairHouse house;
  house.come_wrong(3 * kChunk);
  house.open_listed();
  const Status status = house.read_all();
  ASSERT_TRUE(status.is_ok()) << status.message();
  EXPECT_TRUE(house.is_right(0));
  EXPECT_TRUE(house.repair->was_repaired());
  EXPECT_TRUE(house.repair->is_verified());
  EXPECT_EQ(load(house.house.parts.counters.refetches), 9u);
  house.come_wrong(0, 99);
  house.open_listed();
  const Status spoiled = house.read_all();
  EXPECT_EQ(spoiled.code(), StatusCode::kChecksum);
  EXPECT_EQ(spoiled.message().find("CRC-64 (0)"), std::string::npos) << spoiled.message();
}

TEST(ByteRepair, ForkedChildChecksAnObjectOpenedByAListing) {
  for (const bool reads_before : {true, false}) {
    RepairHouse house;
    house.open_listed();
    if (reads_before) {
      ASSERT_TRUE(house.read(0, 10).is_ok());
    }
    house.come_wrong(kChunk);
    EXPECT_TRUE(holds_in_child([&] {
      house.repair->after_fork_in_child();
      EXPECT_TRUE(house.read_all().is_ok());
      EXPECT_TRUE(house.is_right(0));
      EXPECT_TRUE(house.repair->is_verified());
      EXPECT_TRUE(house.repair->was_repaired());
    }));
  }
}

TEST(ByteRepair, RightBytesAreReadOnce) {
  RepairHouse house;
  house.open();
  EXPECT_FALSE(house.repair->is_verified());
  ASSERT_TRUE(house.read_all().is_ok());
  EXPECT_TRUE(house.is_right(0));
  EXPECT_EQ(house.reads, 1);
  EXPECT_FALSE(house.repair->was_repaired());
  EXPECT_TRUE(house.repair->is_verified());
}

TEST(ByteRepair, NothingMoreLeavesAfterWrongBytesThatHaveLeft) {
  RepairHouse house;
  house.come_wrong(10);
  house.open();
  ASSERT_TRUE(house.read_early(0, 1000));
  EXPECT_FALSE(house.is_right(0));
  for (int i = 0; i < 2; ++i) {
    const Status status = house.read_all();
    EXPECT_EQ(status.code(), StatusCode::kChecksum);
    EXPECT_NE(status.message().find("have been read"), std::string::npos) << status.message();
  }
  EXPECT_FALSE(house.read_if_ready(4 * kChunk, 10));
  EXPECT_FALSE(house.repair->is_verified());
}

TEST(ByteRepair, BytesThatLeftRightDoNotMatter) {
  RepairHouse house;
  house.come_wrong(5 * kChunk + 1);
  house.open();
  ASSERT_TRUE(house.read_early(0, 1000));
  ASSERT_TRUE(house.read_early(2 * kChunk, kChunk));
  EXPECT_FALSE(house.repair->was_repaired());
  ASSERT_TRUE(house.read_all().is_ok());
  EXPECT_TRUE(house.repair->was_repaired());
  EXPECT_TRUE(house.is_right(0));
  EXPECT_TRUE(house.repair->is_verified());
}

TEST(ByteRepair, BytesThatComeWrongTwiceAreAnErrorForGood) {
  RepairHouse house;
  house.come_wrong(kChunk, 99);
  house.open();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(house.read_all().code(), StatusCode::kChecksum);
  EXPECT_FALSE(house.repair->is_verified());
  EXPECT_LE(house.house.transport.started().size(), 2 * 9u);
}

TEST(ByteRepair, ReadWhoseStreamWasReplacedMeanwhileRunsAgain) {
  RepairHouse house;
  house.come_wrong(kChunk);
  house.open();
  bool is_first = true;
  int reads = 0;
  const Status status =
      house.repair->run({0, 10}, house.house.pump, [&](const ByteRepair::Source& source) {
        ++reads;
        if (!std::exchange(is_first, false)) return Status::ok();
        // As if by another thread.
        EXPECT_TRUE(house.read_all().is_ok());
        EXPECT_TRUE(source.stream->is_closed());
        return closed_status();
      });
  EXPECT_TRUE(status.is_ok());
  EXPECT_EQ(reads, 2);
}

TEST(ByteRepair, NothingIsReadyOfASecondStreamBeforeItWasJudged) {
  RepairHouse house;
  house.come_wrong(kChunk);
  house.open();
  // Ends the read that would wait for the second stream's verdict.
  class UntilItIsReplaced final : public Interrupt {
   public:
    explicit UntilItIsReplaced(RepairHouse& house) : house_(house) {}
    bool pending() override { return house_.repair->was_repaired() || house_.house.pump.pending(); }

   private:
    RepairHouse& house_;
  } interrupt(house);
  house.out.assign(kObjectBytes, '\0');
  const Status status =
      house.repair->run({0, kObjectBytes}, interrupt, [&](const ByteRepair::Source& source) {
        return read_stream(*source.scheduler, *source.stream, 0,
                           reinterpret_cast<std::byte*>(house.out.data()), kObjectBytes,
                           {.progress_limit = std::chrono::seconds(3600)}, house.house.pump);
      });
  EXPECT_EQ(status.code(), StatusCode::kInterrupted);
  EXPECT_TRUE(house.repair->was_repaired());
  house.house.transport.run();
  EXPECT_FALSE(house.read_if_ready(0, 10));
  EXPECT_FALSE(house.repair->is_verified());
  ASSERT_TRUE(house.read(0, 10).is_ok());
  EXPECT_TRUE(house.read_if_ready(0, 10));
  EXPECT_TRUE(house.is_right(0));
}

TEST(ByteRepair, CloseEndsReadsAndKeepsWhatWasVerified) {
  for (const bool reads_first : {true, false}) {
    RepairHouse house;
    house.open();
    if (reads_first) {
      ASSERT_TRUE(house.read_all().is_ok());
    }
    house.repair->close();
    house.repair->close();
    EXPECT_TRUE(house.repair->is_closed());
    EXPECT_TRUE(house.stream->is_closed());
    EXPECT_EQ(house.read(0, 10).code(), StatusCode::kClosed);
    EXPECT_FALSE(house.read_if_ready(0, 10));
    EXPECT_EQ(house.repair->is_verified(), reads_first);
    house.house.transport.run();
    EXPECT_EQ(house.house.budget->used_bytes(), 0u);
  }
}

TEST(ByteRepair, CloseInTheMiddleOfTheSecondFetchEndsTheRead) {
  RepairHouse house;
  house.come_wrong(kChunk);
  house.open();
  house.house.pump.set_before([&] {
    if (house.repair->was_repaired()) house.repair->close();
  });
  EXPECT_EQ(house.read_all().code(), StatusCode::kClosed);
  EXPECT_FALSE(house.repair->is_verified());
  house.house.transport.run();
  EXPECT_EQ(house.house.budget->used_bytes(), 0u);
}

TEST(ByteRepair, ForkedChildOpensTheObjectAgainAtItsFirstRead) {
  RepairHouse house;
  house.open();
  ASSERT_TRUE(house.read(0, 10).is_ok());
  EXPECT_TRUE(holds_in_child([&] {
    house.repair->after_fork_in_child();
    EXPECT_FALSE(house.read_if_ready(0, 10));
    EXPECT_EQ(house.schedulers_asked_for, 0);
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(house.read_all().is_ok());
      EXPECT_TRUE(house.is_right(0));
    }
    EXPECT_EQ(house.schedulers_asked_for, 1);
    EXPECT_TRUE(house.repair->is_verified());
  }));
}

// The child's engine starts threads then. Python asked for `verified` with the GIL held, and all
// its threads waited.
TEST(ByteRepair, WhatWasVerifiedIsToldWhileAForkedChildOpensTheObjectAgain) {
  RepairHouse house;
  house.open();
  house.while_asked_for = [&] {
    EXPECT_FALSE(house.repair->is_verified());
    EXPECT_FALSE(house.read_if_ready(0, 10));
  };
  EXPECT_TRUE(holds_in_child([&] {
    house.repair->after_fork_in_child();
    EXPECT_TRUE(house.read(0, 10).is_ok());
    EXPECT_EQ(house.schedulers_asked_for, 1);
  }));
}

TEST(ByteRepair, ChildThatClosesWhileItOpensAgainLeavesNothingOpen) {
  RepairHouse house;
  house.open();
  house.while_asked_for = [&] { house.repair->close(); };
  EXPECT_TRUE(holds_in_child([&] {
    house.repair->after_fork_in_child();
    EXPECT_EQ(house.read(0, 10).code(), StatusCode::kClosed);
    EXPECT_EQ(house.schedulers_asked_for, 1);
    house.house.scheduler.objects().close(*house.stream);  // the parent's
    house.house.transport.run();
    EXPECT_EQ(house.house.budget->used_bytes(), 0u);
  }));
}

}  // namespace
}  // namespace ossmc
