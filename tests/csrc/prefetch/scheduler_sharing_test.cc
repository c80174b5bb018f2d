// Connectors that share one budget: whole schedulers, whose I/O threads the test lets go on in
// turns.
#include <memory>
#include <string>
#include <vector>

#include "csrc/prefetch/scheduler_fixture.h"

namespace ossmc {
namespace {

class SchedulerSharing : public testing::Test {
 protected:
  static constexpr std::uint64_t kChunks = 24;
  static constexpr ReadOptions kReads{.progress_limit = std::chrono::seconds(60),
                                      .sequential = true};

  std::unique_ptr<SchedulerHouse> house() {
    auto made = std::make_unique<SchedulerHouse>(HouseOptions{.shared = shared_});
    houses_.push_back(made.get());
    return made;
  }
  // All of them go on for a while, and keep within the limit.
  void let_all_go_on(Duration time) {
    for (Duration passed{}; passed < time; passed += kStep) {
      for (SchedulerHouse* const one : houses_) one->transport.run_for(kStep);
      clock_.advance(kStep);
      EXPECT_LE(shared_->used_bytes(), most_);
    }
  }
  // Of a read that waits.
  class OthersGoOn final : public Interrupt {
   public:
    explicit OthersGoOn(SchedulerSharing& test) : test_(test) {}
    bool pending() override {
      // Long enough that the read finds its bytes: between two looks it sleeps in real time.
      test_.let_all_go_on(40 * kStep);
      return --steps_ < 0;
    }

   private:
    SchedulerSharing& test_;
    int steps_ = 1000;
  };
  Status read_all(SchedulerHouse& house, const std::string& key, ObjectStream& stream) {
    OthersGoOn others(*this);
    std::string got(stream.size(), '\0');
    const Status status =
        read_stream(house.scheduler, stream, 0, reinterpret_cast<std::byte*>(got.data()),
                    got.size(), kReads, others);
    if (status.is_ok()) {
      EXPECT_EQ(got, house.expected(key, 0, got.size()));
    }
    return status;
  }

  static constexpr Duration kStep = std::chrono::milliseconds(2);
  FakeClock clock_;
  std::shared_ptr<SharedBudget> shared_ = std::make_shared<SharedBudget>(kChunks * kChunk, clock_);
  std::uint64_t most_ = kChunks * kChunk;
  std::vector<SchedulerHouse*> houses_;
};

TEST_F(SchedulerSharing, ThreeKeepTheSumWithinOneLimit) {
  std::vector<std::unique_ptr<SchedulerHouse>> three;
  std::vector<std::shared_ptr<ObjectStream>> streams;
  for (int i = 0; i < 3; ++i) {
    three.push_back(house());
    three.back()->add_object("a", 40 * kChunk);
    streams.push_back(three.back()->open("a"));
  }
  let_all_go_on(std::chrono::milliseconds(300));
  EXPECT_GT(shared_->used_bytes(), (kChunks - 6) * kChunk) << "they fetch ahead as far as it goes";
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(read_all(*three[i], "a", *streams[i]).is_ok());
  for (int i = 0; i < 3; ++i) three[i]->scheduler.objects().close(*streams[i]);
  EXPECT_EQ(shared_->used_bytes(), 0U);
}

TEST_F(SchedulerSharing, AnIdleOneGivesUpWhatItHasRead) {
  const auto idle = house();
  idle->add_object("a", kChunks * kChunk);
  const auto a = idle->open_now("a");
  ASSERT_TRUE(read_all(*idle, "a", *a).is_ok());
  ASSERT_GE(idle->budget->used_bytes(), (kChunks - 2) * kChunk);
  const auto reads = house();
  reads->add_object("b", 40 * kChunk);
  const auto b = reads->open("b");
  let_all_go_on(std::chrono::milliseconds(20));
  ASSERT_EQ(b->state(), StreamState::kOpen);
  EXPECT_TRUE(read_all(*reads, "b", *b).is_ok());
  EXPECT_LE(idle->budget->used_bytes(), 4 * kChunk);
  EXPECT_GE(reads->budget->peak_bytes(), (kChunks - 6) * kChunk);
}

TEST_F(SchedulerSharing, WhatAnIdleOneHasFetchedAheadGoesDownToALevelForARead) {
  const auto idle = house();
  idle->add_object("a", kChunks * kChunk);
  const auto a = idle->open_now("a");
  let_all_go_on(std::chrono::milliseconds(300));
  ASSERT_GE(idle->budget->used_bytes(), (kChunks - 3) * kChunk);
  const auto reads = house();
  reads->add_object("b", 40 * kChunk);
  const auto b = reads->open("b");
  let_all_go_on(std::chrono::milliseconds(20));
  EXPECT_TRUE(read_all(*reads, "b", *b).is_ok());
  EXPECT_GE(reads->budget->peak_bytes(), kChunks / 3 * kChunk);
  EXPECT_GE(idle->budget->used_bytes(), kChunks / 3 * kChunk) << "no more than its share goes";
  EXPECT_TRUE(read_all(*idle, "a", *a).is_ok()) << "what went is fetched again";
}

TEST_F(SchedulerSharing, FetchingAheadTakesNothingThatAnotherHasNotReadYet) {
  const auto first = house();
  first->add_object("a", 40 * kChunk);
  const auto a = first->open_now("a");
  let_all_go_on(std::chrono::milliseconds(300));
  const std::uint64_t had = first->budget->used_bytes();
  const auto second = house();
  second->add_object("b", 40 * kChunk);
  const auto b = second->open("b");
  let_all_go_on(std::chrono::milliseconds(1000));
  EXPECT_GE(first->budget->used_bytes(), had - 2 * kChunk);
  EXPECT_EQ(second->scheduler.limited_by(), "memory") << "since the other has it";
  EXPECT_EQ(first->scheduler.limited_by(), "reader");
}

TEST_F(SchedulerSharing, ViewsOfOneCountForAnother) {
  const auto views = house();
  views->add_object("a", (kChunks - 2) * kChunk);
  const auto a = views->open_now("a");
  OthersGoOn others(*this);
  auto view = view_stream(views->scheduler, *a, kReads, others);
  ASSERT_TRUE(view.is_ok()) << view.status().message();
  const auto other = house();
  other->add_object("b", 3 * kChunk);
  const auto b = other->open("b");
  let_all_go_on(std::chrono::milliseconds(20));
  ASSERT_EQ(b->state(), StreamState::kOpen);
  const auto refused = view_stream(other->scheduler, *b, kReads, others);
  EXPECT_EQ(refused.status().code(), StatusCode::kMemoryBudget);
  EXPECT_TRUE(read_all(*other, "b", *b).is_ok()) << "two chunks are left for it";
  views->scheduler.objects().close(*a);
  *view = nullptr;
  const auto had = view_stream(other->scheduler, *b, kReads, others);
  ASSERT_TRUE(had.is_ok()) << had.status().message();
  EXPECT_TRUE(matches_pattern((*had)->data(), other->objects["b"].seed, 0, 3 * kChunk));
}

TEST_F(SchedulerSharing, AViewGetsWhatOthersHaveFetchedAhead) {
  const auto idle = house();
  idle->add_object("a", 40 * kChunk);
  const auto a = idle->open_now("a");
  let_all_go_on(std::chrono::milliseconds(300));
  const auto views = house();
  views->add_object("b", 18 * kChunk);
  const auto b = views->open("b");
  let_all_go_on(std::chrono::milliseconds(20));
  OthersGoOn others(*this);
  const auto view = view_stream(views->scheduler, *b, kReads, others);
  ASSERT_TRUE(view.is_ok()) << view.status().message();
  EXPECT_TRUE(matches_pattern((*view)->data(), views->objects["b"].seed, 0, (*view)->size()));
}

TEST_F(SchedulerSharing, ALoweredLimitIsGivenUpAtOnceAndReadsGoOn) {
  const auto one = house();
  one->add_object("a", 40 * kChunk);
  const auto a = one->open_now("a");
  std::string got;
  ASSERT_TRUE(one->read(*a, 0, 4 * kChunk, &got).is_ok());
  let_all_go_on(std::chrono::milliseconds(300));
  ASSERT_GE(one->budget->used_bytes(), (kChunks - 3) * kChunk);
  shared_->set_limit(6 * kChunk, kChunks * kChunk);
  let_all_go_on(kStep);
  most_ = 6 * kChunk;
  let_all_go_on(std::chrono::milliseconds(50));
  EXPECT_EQ(one->scheduler.limited_by(), "memory");
  EXPECT_EQ(one->scheduler.memory_bytes(), one->budget->used_bytes());
  EXPECT_TRUE(read_all(*one, "a", *a).is_ok());
  most_ = kChunks * kChunk;
  shared_->set_limit(kChunks * kChunk, kChunks * kChunk);
  const auto again = one->open_now("a");
  let_all_go_on(std::chrono::milliseconds(300));
  EXPECT_GE(one->budget->used_bytes(), (kChunks - 3) * kChunk);
}

TEST_F(SchedulerSharing, ALimitBelowWhatIsInFlightIsReachedWhenThatHasCome) {
  const auto one = house();
  one->add_object("a", 40 * kChunk);
  const auto a = one->open_now("a");
  one->transport.step();
  ASSERT_GE(one->transport.in_progress(), 6);
  shared_->set_limit(4 * kChunk, kChunks * kChunk);
  let_all_go_on(std::chrono::milliseconds(100));
  EXPECT_LE(shared_->used_bytes(), 4 * kChunk);
  most_ = 4 * kChunk;
  EXPECT_TRUE(read_all(*one, "a", *a).is_ok());
}

}  // namespace
}  // namespace ossmc
