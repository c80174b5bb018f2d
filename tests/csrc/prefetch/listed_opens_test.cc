// Objects that are opened by a listing's word of them, and those that are not prefetched: the real
// scheduler over a fake transport in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/crc64.h"
#include "csrc/prefetch/scheduler_fixture.h"
#include "prefetch/hedge_rule.h"
#include "prefetch/object_open.h"

namespace ossmc {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t kBytes = 3 * kChunk + 5;

// Object "a", of whose version replies tell more than a listing.
class ListedOpensTest : public testing::Test {
 protected:
  ListedOpensTest() {
    house_.add_object("a", kBytes);
    house_.add_object("empty", 0);
    house_.fault = [this](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
      if (!house_.objects.contains(key_of(request))) return std::nullopt;
      FakeReply reply = serve(house_.objects[key_of(request)], request);
      reply.with_header("x-oss-version-id", "v1");
      if (tells_crc_) reply.with_header("x-oss-hash-crc64ecma", crc64_of(key_of(request)));
      return reply;
    };
  }
  std::string crc64_of(const std::string& key) {
    const std::string bytes = house_.expected(key, 0, house_.objects[key].size);
    return std::to_string(crc64_update(0, bytes.data(), bytes.size()));
  }
  ListedVersion listed(const std::string& key) {
    return {house_.objects[key].size, house_.objects[key].etag};
  }
  std::shared_ptr<ObjectStream> open(const std::string& key, StreamOptions options) {
    return house_.scheduler.objects().open({"bucket", key}, std::move(options));
  }
  std::shared_ptr<ObjectStream> open_listed(const std::string& key, bool prefetches) {
    return open(key, {.prefetches = prefetches, .listed = listed(key)});
  }
  Status wait(ObjectStream& stream) {
    return wait_until_open(house_.scheduler, stream, seconds(3600), house_.pump);
  }
  Status read_all(ObjectStream& stream) {
    const Status status = house_.read(stream, 0, stream.size(), &bytes_);
    if (status.is_ok()) {
      EXPECT_EQ(bytes_, house_.expected(stream.name().key, 0, stream.size()));
    }
    return status;
  }
  std::string if_match(std::size_t request) const {
    return header_of(house_.transport.started()[request].request, "If-Match");
  }

  SchedulerHouse house_;
  bool tells_crc_ = true;
  std::string bytes_;
};

TEST_F(ListedOpensTest, NotPrefetchedItIsOpenWithoutARequest) {
  const auto a = open_listed("a", false);
  EXPECT_EQ(a->state(), StreamState::kOpen);
  EXPECT_FALSE(a->prefetches());
  EXPECT_EQ(a->size(), kBytes);
  EXPECT_EQ(a->learnt()->told(), nullptr);
  house_.transport.run();
  EXPECT_THAT(house_.ranges(), IsEmpty());
  EXPECT_EQ(house_.budget->used_bytes(), 0u);
}

TEST_F(ListedOpensTest, WhatTheListingDidNotTellIsLearntFromTheFirstReply) {
  const auto a = open_listed("a", false);
  EXPECT_EQ(a->verdict(), Verification::Verdict::kPending);
  ASSERT_TRUE(house_.read(*a, kChunk, 10, &bytes_).is_ok());
  ASSERT_NE(a->learnt()->told(), nullptr);
  EXPECT_EQ(a->learnt()->told()->version_id, "v1");
  EXPECT_EQ(std::to_string(a->learnt()->told()->crc64.value_or(0)), crc64_of("a"));
  ASSERT_TRUE(read_all(*a).is_ok());
  EXPECT_EQ(a->verdict(), Verification::Verdict::kGood);
  for (std::size_t i = 0; i < house_.transport.started().size(); ++i)
    EXPECT_EQ(if_match(i), "\"ETAG-a\"");
}

TEST_F(ListedOpensTest, WithoutACrcThereIsNothingToCheck) {
  tells_crc_ = false;
  const auto a = open_listed("a", false);
  ASSERT_TRUE(read_all(*a).is_ok());
  EXPECT_EQ(a->verdict(), Verification::Verdict::kNothingToCheck);
}

TEST_F(ListedOpensTest, AWrongByteIsFound) {
  const auto right = house_.fault;
  house_.fault = [&](const HttpRequest& request, std::size_t index) {
    std::optional<FakeReply> reply = right(request, index);
    if (index == 1) reply->body[0][7] ^= 1;
    return reply;
  };
  const auto a = open_listed("a", false);
  EXPECT_EQ(house_.read(*a, 0, kBytes, &bytes_).code(), StatusCode::kChecksum);
}

// Its own request never had a head, so only the second one could tell the CRC.
TEST_F(ListedOpensTest, AChunkThatCameBySecondRequestAloneIsCheckedToo) {
  house_.add_object("one", kChunk);
  const auto right = house_.fault;
  int asked = 0;
  house_.fault = [&](const HttpRequest& request, std::size_t index) {
    std::optional<FakeReply> reply = right(request, index);
    if (++asked == 1) reply->head_delay = seconds(100'000);
    return reply;
  };
  for (std::uint64_t i = 0; i < 2 * HedgeRule::kRequestsPerHedge; ++i)
    house_.parts.counters.chunk_whole_us.record(1000);
  add(house_.parts.counters.requests, 2 * HedgeRule::kRequestsPerHedge);
  const auto one = open_listed("one", false);
  house_.scheduler.claims().claim(*one, 0);
  ASSERT_TRUE(house_.transport.run_until(
      [&] { return one->slot(0).chunk.view().phase == ChunkPhase::kReady; }));
  EXPECT_EQ(load(house_.parts.counters.hedges), 1u);
  EXPECT_EQ(one->verdict(), Verification::Verdict::kGood);
  house_.scheduler.claims().release(*one, 0);
  ASSERT_TRUE(read_all(*one).is_ok());
}

TEST_F(ListedOpensTest, AnotherVersionIsToldByTheFirstRead) {
  const auto a = open_listed("a", false);
  house_.objects["a"].etag = "NEW";
  EXPECT_EQ(read_all(*a).code(), StatusCode::kObjectChanged);
  const auto gone = open("gone", {.prefetches = false, .listed = ListedVersion{10, "ETAG"}});
  EXPECT_EQ(read_all(*gone).code(), StatusCode::kObjectNotFound);
}

TEST_F(ListedOpensTest, PrefetchedItCostsOneRoundTripAndIsPinned) {
  const auto a = open_listed("a", true);
  EXPECT_EQ(a->state(), StreamState::kOpening);
  ASSERT_TRUE(wait(*a).is_ok());
  EXPECT_EQ(house_.ranges().front(), "a@0");
  EXPECT_EQ(if_match(0), "\"ETAG-a\"");
  EXPECT_EQ(a->learnt()->told()->version_id, "v1");
  ASSERT_TRUE(read_all(*a).is_ok());
  EXPECT_EQ(house_.ranges().size(), 4u);
  EXPECT_EQ(a->verdict(), Verification::Verdict::kGood);
}

TEST_F(ListedOpensTest, ConfirmedItIsPrefetchedBeforeTheFirstReply) {
  const auto a = open("a", {.listed = listed("a"), .is_confirmed = true});
  EXPECT_EQ(a->state(), StreamState::kOpen);
  house_.transport.run_for(Duration(0));  // nothing is replied yet
  EXPECT_THAT(house_.ranges(), ElementsAre("a@0", "a@65536", "a@131072", "a@196608"));
  EXPECT_EQ(if_match(3), "\"ETAG-a\"");
  ASSERT_TRUE(read_all(*a).is_ok());
  EXPECT_EQ(house_.ranges().size(), 4u);
  EXPECT_EQ(a->verdict(), Verification::Verdict::kGood);
}

TEST_F(ListedOpensTest, ConfirmedAnotherVersionIsToldByTheRead) {
  const ListedVersion before = listed("a");
  house_.objects["a"].etag += "-NEW";
  const auto a = open("a", {.listed = before, .is_confirmed = true});
  EXPECT_EQ(read_all(*a).code(), StatusCode::kObjectChanged);
}

TEST_F(ListedOpensTest, PrefetchedAnotherVersionIsToldAtOpen) {
  for (const bool takes_if_match : {true, false}) {
    const ListedVersion before = listed("a");
    house_.objects["a"].etag += "-NEW";
    const auto right = house_.fault;
    house_.fault = [&](HttpRequest request, std::size_t index) {
      if (!takes_if_match)
        std::erase_if(request.headers, [](const NameValue& one) { return one.name == "If-Match"; });
      return right(request, index);
    };
    const std::size_t asked = house_.ranges().size();
    const auto a = open("a", {.listed = before});
    EXPECT_EQ(wait(*a).code(), StatusCode::kObjectChanged);
    EXPECT_EQ(house_.ranges().size(), asked + 1);
    house_.fault = right;
  }
}

TEST_F(ListedOpensTest, PrefetchedAnEmptyObjectCostsOneHead) {
  const auto empty = open_listed("empty", true);
  ASSERT_TRUE(wait(*empty).is_ok());
  EXPECT_EQ(empty->size(), 0u);
  EXPECT_THAT(house_.ranges(), ElementsAre("empty@HEAD"));
  const auto grown = open("a", {.listed = ListedVersion{0, "ETAG-a"}});
  EXPECT_EQ(wait(*grown).code(), StatusCode::kObjectChanged);
}

TEST_F(ListedOpensTest, NotPrefetchedAndNotListedItCostsOneHead) {
  const auto a = open("a", {.prefetches = false});
  ASSERT_TRUE(wait(*a).is_ok());
  house_.transport.run();
  EXPECT_THAT(house_.ranges(), ElementsAre("a@HEAD"));
  EXPECT_EQ(a->learnt()->told()->version_id, "v1");
  EXPECT_EQ(a->version().etag, "ETAG-a");
  ASSERT_TRUE(read_all(*a).is_ok());
  EXPECT_EQ(a->verdict(), Verification::Verdict::kGood);
  const auto gone = open("gone", {.prefetches = false});
  EXPECT_EQ(wait(*gone).code(), StatusCode::kObjectNotFound);
}

TEST_F(ListedOpensTest, ManyHeadsAreAskedForAtOnce) {
  std::vector<std::shared_ptr<ObjectStream>> streams;
  for (int i = 0; i < 10; ++i) streams.push_back(open("a", {.prefetches = false}));
  house_.transport.step();
  EXPECT_EQ(house_.transport.most_in_progress(), 10);
  for (const auto& stream : streams) EXPECT_TRUE(wait(*stream).is_ok());
}

TEST_F(ListedOpensTest, WhatWasLearntGoesOnToTheNextStreamOfAReader) {
  const auto first = open_listed("a", false);
  ASSERT_TRUE(house_.read(*first, 0, 10, &bytes_).is_ok());
  const auto second = house_.scheduler.objects()
                          .open_known(first->name(), first->version(),
                                      {.prefetches = false, .learnt = first->learnt()})
                          .value();
  EXPECT_FALSE(second->prefetches());
  EXPECT_EQ(second->learnt()->told()->version_id, "v1");
  const std::size_t asked = house_.ranges().size();
  house_.transport.run();
  EXPECT_EQ(house_.ranges().size(), asked);
  ASSERT_TRUE(read_all(*second).is_ok());
  EXPECT_EQ(second->verdict(), Verification::Verdict::kGood);
  const auto again = house_.scheduler.objects().open_again(*first).value();
  EXPECT_EQ(again->learnt(), first->learnt());
  EXPECT_TRUE(again->prefetches());  // all of it is to be judged
}

TEST_F(ListedOpensTest, OpenedAndClosedItLeavesNothing) {
  for (const bool prefetches : {true, false}) {
    for (const StreamOptions& options :
         {StreamOptions{.prefetches = prefetches, .listed = listed("a")},
          StreamOptions{.prefetches = prefetches}}) {
      const auto a = open("a", options);
      house_.transport.step();
      house_.scheduler.objects().close(*a);
      house_.transport.run();
      EXPECT_EQ(house_.budget->used_bytes(), 0u);
      EXPECT_EQ(house_.transport.in_progress(), 0);
    }
  }
  house_.scheduler.objects().close_all();
  EXPECT_TRUE(open_listed("a", false)->is_closed());
  EXPECT_TRUE(open("a", {.prefetches = false})->is_closed());
}

}  // namespace
}  // namespace ossmc
