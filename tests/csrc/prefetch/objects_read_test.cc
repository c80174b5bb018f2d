#include "prefetch/objects_read.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "csrc/prefetch/scheduler_fixture.h"
#include "support/csrc/long_run.h"

namespace ossmc {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr ReadAhead kMuch{.bytes = 1 << 30, .objects = 1000};

// Each look lets happen what brings the next object, if that is to come.
class UntilReady final : public Interrupt {
 public:
  UntilReady(FakeTransport& transport, const ObjectsRead& read)
      : transport_(transport), read_(read) {}
  bool pending() override {
    for (int steps = 0; steps < 300 && !read_.is_ready() && transport_.step(); ++steps) {
    }
    return false;
  }

 private:
  FakeTransport& transport_;
  const ObjectsRead& read_;
};

// What became of an object, as its caller has it.
struct Outcome {
  Status status;
  bool is_alone = false;
  std::string bytes;
};

// A caller, with memory for each object that goes as soon as that is taken.
class Caller {
 public:
  Caller(SchedulerHouse& house, ReadAhead ahead, Duration limit = std::chrono::hours(1))
      : house_(house), read_(house.scheduler, ahead, limit), settles_(house.transport, read_) {}

  void add(const std::string& key, bool is_listed = true) {
    std::optional<ListedVersion> listed;
    const auto found = house_.objects.find(key);
    if (is_listed) {
      listed = found == house_.objects.end()
                   ? ListedVersion{.size = 100, .etag = "ETAG-none"}
                   : ListedVersion{.size = found->second.size, .etag = found->second.etag};
    }
    read_.add({"bucket", key}, listed);
  }
  void start() {
    read_.start([this](std::uint64_t number, std::uint64_t size) {
      std::vector<std::byte>& memory = memory_[number];
      memory.resize(size);
      return memory.data();
    });
  }
  Status wait() { return read_.wait(settles_); }
  Outcome take() {
    const TakenObject taken = read_.take();
    Outcome outcome{.status = taken.status, .is_alone = taken.is_alone, .bytes = {}};
    const auto memory = memory_.find(taken_++);
    std::span<const std::byte> bytes = taken.bytes;
    if (taken.is_in_place) bytes = memory->second;
    if (taken.status.is_ok())
      outcome.bytes.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (memory != memory_.end()) memory_.erase(memory);
    return outcome;
  }
  // The next one, waited for.
  Outcome next() {
    start();
    while (!read_.is_ready()) {
      const Status status = wait();
      EXPECT_TRUE(status.is_ok()) << status.message();
      if (!status.is_ok()) return {.status = status, .is_alone = false, .bytes = {}};
      start();
    }
    return take();
  }
  ObjectsRead& read() { return read_; }
  std::uint64_t taken() const { return taken_; }

 private:
  SchedulerHouse& house_;
  std::map<std::uint64_t, std::vector<std::byte>> memory_;
  std::uint64_t taken_ = 0;
  ObjectsRead read_;  // goes first: it writes to memory_
  UntilReady settles_;
};

class ObjectsReadTest : public testing::Test {
 protected:
  ObjectsReadTest() {
    house_.add_object("empty", 0);
    house_.add_object("small", 20'000);
    house_.add_object("chunk", kChunk);
    house_.add_object("large", 3 * kChunk + 77);
  }
  ~ObjectsReadTest() override {
    house_.transport.run();
    EXPECT_EQ(house_.budget->used_bytes(), 0U);
  }
  void expect_whole(Caller& caller, const std::string& key) {
    const Outcome outcome = caller.next();
    ASSERT_TRUE(outcome.status.is_ok()) << outcome.status.message();
    EXPECT_TRUE(outcome.bytes == house_.expected(key, 0, house_.objects[key].size)) << key;
  }

  SchedulerHouse house_{{.budget_bytes = 64ULL * kChunk}};
};

TEST_F(ObjectsReadTest, ListedObjectsComeInOrderByOneRequestAPiece) {
  Caller caller(house_, kMuch);
  for (const char* const key : {"small", "large", "chunk"}) caller.add(key);
  for (const char* const key : {"small", "large", "chunk"}) expect_whole(caller, key);
  EXPECT_THAT(house_.ranges(), ElementsAre("small@0", "large@0", "large@65536", "large@131072",
                                           "large@196608", "chunk@0"));
  EXPECT_TRUE(caller.read().is_empty());
}

TEST_F(ObjectsReadTest, OfSizesThatAreNotKnownTheFirstRequestTells) {
  Caller caller(house_, kMuch);
  for (const char* const key : {"small", "large", "chunk"}) caller.add(key, false);
  for (const char* const key : {"small", "large", "chunk"}) expect_whole(caller, key);
  EXPECT_THAT(house_.ranges(), UnorderedElementsAre("small@0", "chunk@0", "large@0", "large@65536",
                                                    "large@131072", "large@196608"));
}

TEST_F(ObjectsReadTest, EmptyObjectsAreEmpty) {
  Caller caller(house_, kMuch);
  caller.add("empty");
  caller.add("small");
  expect_whole(caller, "empty");
  expect_whole(caller, "small");
  EXPECT_THAT(house_.ranges(), UnorderedElementsAre("empty@HEAD", "small@0"));
}

TEST_F(ObjectsReadTest, WhatFailsIsToldInItsPlaceAndTheOthersGoOn) {
  for (const bool is_listed : {true, false}) {
    Caller caller(house_, kMuch);
    caller.add("small", is_listed);
    caller.add("none", is_listed);
    caller.add("large", is_listed);
    expect_whole(caller, "small");
    EXPECT_EQ(caller.next().status.code(), StatusCode::kObjectNotFound);
    expect_whole(caller, "large");
  }
}

TEST_F(ObjectsReadTest, AnotherVersionThanTheListedOneIsNotHandedOut) {
  Caller caller(house_, kMuch);
  caller.add("small");
  house_.objects["small"].etag = "ETAG-other";
  EXPECT_EQ(caller.next().status.code(), StatusCode::kObjectChanged);
}

// A piece fails while others of its object are in flight: its memory goes, and nobody writes there.
TEST_F(ObjectsReadTest, TheMemoryOfAFailedObjectIsItsCallersAgain) {
  house_.fault = [](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
    if (SchedulerHouse::range_of(request) != "large@65536") return std::nullopt;
    return oss_error(403, "AccessDenied");
  };
  Caller caller(house_, kMuch);
  caller.add("large");
  caller.add("small");
  EXPECT_EQ(caller.next().status.code(), StatusCode::kAccessDenied);
  expect_whole(caller, "small");
}

TEST_F(ObjectsReadTest, WrongBytesAndRepliesWithoutASizeAreForAReader) {
  house_.fault = [this](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
    if (key_of(request) == "chunk") return oss_error(416, "InvalidRange");
    return serve(house_.objects[key_of(request)], request).with_header("x-oss-hash-crc64ecma", "1");
  };
  Caller caller(house_, kMuch);
  caller.add("small");
  caller.add("small", false);
  caller.add("chunk", false);
  for (int i = 0; i < 3; ++i) {
    const Outcome outcome = caller.next();
    EXPECT_TRUE(outcome.is_alone) << i << " " << outcome.status.message();
  }
}

TEST_F(ObjectsReadTest, NoMoreAreOnTheirWayThanAllowed) {
  Caller caller(house_, {.bytes = 1 << 30, .objects = 3});
  EXPECT_EQ(caller.read().wants(), 3U);
  for (int i = 0; i < 10; ++i) caller.add("small", i % 2 == 0);
  EXPECT_EQ(caller.read().wants(), 0U);
  for (int i = 0; i < 10; ++i) expect_whole(caller, "small");
  EXPECT_LE(house_.transport.most_in_progress(), 3);
  EXPECT_EQ(caller.read().wants(), 3U);
}

TEST_F(ObjectsReadTest, NoMoreBytesAreOnTheirWayThanAllowedButThoseOfTheNextOne) {
  Caller caller(house_, {.bytes = 2 * kChunk, .objects = 100});
  for (int i = 0; i < 6; ++i) caller.add("chunk");
  caller.add("large");
  caller.add("small");
  for (int i = 0; i < 6; ++i) expect_whole(caller, "chunk");
  EXPECT_LE(house_.transport.most_in_progress(), 2);
  expect_whole(caller, "large");
  expect_whole(caller, "small");
}

TEST_F(ObjectsReadTest, WhatIsAheadCountsInTheBudgetAndLeavesTheReserveFree) {
  const Ticket others = Ticket::try_take(house_.budget, 58ULL * kChunk);
  ASSERT_TRUE(others);
  Caller caller(house_, kMuch);
  for (int i = 0; i < 8; ++i) caller.add("chunk");
  caller.start();
  EXPECT_LE(house_.budget->used_bytes(), 60ULL * kChunk);
  for (int i = 0; i < 8; ++i) {
    expect_whole(caller, "chunk");
    EXPECT_LE(house_.budget->used_bytes(), 60ULL * kChunk);
  }
}

TEST_F(ObjectsReadTest, TheNextOneComesWithoutABudget) {
  const Ticket others = Ticket::try_take(house_.budget, 64ULL * kChunk);
  Caller caller(house_, kMuch);
  caller.add("large");
  caller.add("large", false);
  expect_whole(caller, "large");
  expect_whole(caller, "large");
}

TEST_F(ObjectsReadTest, GivenUpItLeavesNothing) {
  for (int steps = 0; steps < 40; ++steps) {
    auto caller = std::make_unique<Caller>(house_, kMuch);
    for (const char* const key : {"small", "large", "empty", "chunk", "none"}) {
      caller->add(key);
      caller->add(key, false);
    }
    caller->start();
    for (int i = 0; i < steps; ++i) house_.transport.step();
    caller = nullptr;  // with its memory
    house_.transport.run();
    EXPECT_EQ(house_.transport.in_progress(), 0);
    EXPECT_EQ(house_.budget->used_bytes(), 0U);
  }
}

TEST_F(ObjectsReadTest, AnObjectWithoutProgressIsGivenUpAndTheOthersGoOn) {
  house_.fault = [&](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
    if (key_of(request) != "large") return std::nullopt;
    FakeReply reply = serve(house_.objects["large"], request);
    reply.hangs = true;
    reply.body.pop_back();
    return reply;
  };
  Caller caller(house_, kMuch, std::chrono::milliseconds(1));
  caller.add("large");
  caller.add("small");
  EXPECT_EQ(caller.next().status.code(), StatusCode::kTransferTimeout);
  expect_whole(caller, "small");
}

TEST_F(ObjectsReadTest, ACloseEndsIt) {
  Caller caller(house_, kMuch);
  caller.add("small");
  caller.add("large", false);
  caller.start();
  house_.scheduler.objects().close_all();
  EXPECT_EQ(caller.next().status.code(), StatusCode::kClosed);
  EXPECT_EQ(caller.next().status.code(), StatusCode::kClosed);
  caller.add("small");
  EXPECT_EQ(caller.next().status.code(), StatusCode::kClosed);
}

// Two that read at once, with readers beside them, take turns.
TEST_F(ObjectsReadTest, LargeObjectsOfOneDoNotWaitForTheSmallOnesOfAnother) {
  Caller small(house_, {.bytes = 1 << 30, .objects = 100});
  Caller large(house_, kMuch);
  for (int i = 0; i < 100; ++i) small.add("small");
  small.start();
  large.add("large");
  expect_whole(large, "large");
  const auto of_small = std::ranges::count_if(
      house_.ranges(), [](const std::string& range) { return range.starts_with("small"); });
  EXPECT_LT(of_small, 40);
}

// Whatever the order of events and the faults: the right bytes, or what is wrong, in order; and
// nothing writes where it must not (AddressSanitizer).
TEST_F(ObjectsReadTest, RandomSchedules) {
  for (int seed = 0; seed < (is_long_run() ? 60 : 10); ++seed) {
    std::mt19937 chance(static_cast<unsigned>(seed));
    SchedulerHouse house({.budget_bytes = (4 + chance() % 60) * kChunk,
                          .threads = 1 + static_cast<int>(chance() % 3),
                          .seed = static_cast<std::uint64_t>(seed)});
    std::vector<std::string> keys = {"none"};
    for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{20'000},
                                     kChunk - 1, kChunk, kChunk + 1, 2 * kChunk, 5 * kChunk + 9}) {
      keys.push_back(std::to_string(size));
      house.add_object(keys.back(), size);
    }
    house.fault = [&](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
      if (request.method == Method::kHead || chance() % 4 != 0) return std::nullopt;
      if (chance() % 3 == 0) return oss_error(503, "ServiceUnavailable");
      const auto found = house.objects.find(key_of(request));
      if (found == house.objects.end() || found->second.size == 0) return std::nullopt;
      return serve(found->second, request).reset_after(chance() % 30'000);
    };
    const ReadAhead ahead{.bytes = 1 + chance() % (20 * kChunk), .objects = 1 + chance() % 20};
    auto caller = std::make_unique<Caller>(house, ahead);
    std::vector<std::string> given;
    const std::size_t most = chance() % 60;
    while (caller->taken() < most) {
      while (given.size() < most && caller->read().wants() > 0) {
        given.push_back(keys[chance() % keys.size()]);
        caller->add(given.back(), chance() % 2 == 0);
      }
      if (chance() % 50 == 0) break;
      const std::string key = given[caller->taken()];
      const Outcome outcome = caller->next();
      if (key == "none") {
        EXPECT_FALSE(outcome.status.is_ok());
      } else if (outcome.status.is_ok() && !outcome.is_alone) {
        EXPECT_TRUE(outcome.bytes == house.expected(key, 0, house.objects[key].size))
            << seed << " " << key;
      } else {
        // The attempts, or the quota, are spent.
        EXPECT_TRUE(outcome.is_alone || outcome.status.code() == StatusCode::kThrottled ||
                    outcome.status.code() == StatusCode::kConnect)
            << outcome.status.message();
      }
    }
    caller = nullptr;
    house.transport.run();
    EXPECT_EQ(house.budget->used_bytes(), 0U);
    EXPECT_EQ(house.transport.in_progress(), 0);
  }
}

}  // namespace
}  // namespace ossmc
