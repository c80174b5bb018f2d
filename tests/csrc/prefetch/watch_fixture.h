// WatchTest: the real scheduler under a watch (invariant_watch.h), with a policy that makes one
// mistake, so that the watch has something to complain of.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "csrc/prefetch/invariant_watch.h"
#include "csrc/prefetch/shuffled_transport.h"
#include "fetch/chunk_fetch.h"
#include "fetch/hedge.h"
#include "support/csrc/fake_transport.h"
#include "support/csrc/fetch_parts.h"

namespace ossmc {

inline constexpr std::uint32_t kWatchedChunk = 64;
inline constexpr int kWatchedSlots = 4;

// The scheduler as the I/O threads see it, with a mistake in one answer.
class Meddler final : public WorkSource {
 public:
  explicit Meddler(Scheduler& scheduler) : scheduler_(scheduler) {}

  Exchange* next(int thread, const Occupancy& occupancy) noexcept override {
    if (instead) return instead();
    if (before) before();
    Exchange* const got =
        scheduler_.next(thread, {.busy = told_busy.value_or(occupancy.busy),
                                 .behind = told_behind.value_or(occupancy.behind)});
    if (after) after();
    return got;
  }
  TimePoint next_due() noexcept override { return scheduler_.next_due(); }

  std::function<Exchange*()> instead;
  std::function<void()> before;
  std::function<void()> after;
  std::optional<int> told_busy;
  std::optional<bool> told_behind;

 private:
  Scheduler& scheduler_;
};

// Whose fetches and hedges the scheduler does not know.
class Nobody final : public ChunkFetchOwner {
 public:
  Status on_version(ChunkFetch&, const ObjectVersion&, ByteRange) override { return Status::ok(); }
  std::optional<std::string> on_reply(ChunkFetch&, const ObjectVersion&) override { return {}; }
  void on_retry(ChunkFetch&, TimePoint) override {}
  void on_finished(ChunkFetch&, const Status&) override {}
  void on_hedge_ended(ChunkFetch&, bool) override {}
};

class WatchTest : public testing::Test {
 protected:
  // With memory for so many chunks.
  void build(std::uint64_t chunks) {
    budget_ = std::make_shared<Budget>(chunks * kWatchedChunk);
    scheduler_ =
        std::make_unique<Scheduler>(SchedulerOptions{.chunk_bytes = kWatchedChunk,
                                                     .slots = {.threads = 1,
                                                               .start_per_thread = kWatchedSlots,
                                                               .most_per_thread = kWatchedSlots}},
                                    parts_.context, budget_, pool_);
    watch_ = std::make_unique<InvariantWatch>(
        WatchOptions{.chunk_bytes = kWatchedChunk,
                     .pool = pool_.get(),
                     .least_slots = kWatchedSlots,
                     .most_slots = kWatchedSlots},
        *scheduler_, budget_, parts_.counters,
        [this](const std::string& what) { complaints_.push_back(what); }, nullptr);
    meddler_ = std::make_unique<Meddler>(*scheduler_);
    transport_ = std::make_unique<ShuffledTransport>(
        *meddler_, parts_.clock, parts_.counters,
        [this](const HttpRequest& request) {
          // Never played; it may have nothing to ask for.
          if (own_fetch_ != nullptr) return oss_error(416, "InvalidRange");
          return serve(objects_[key_of(request)], request);
        },
        1, watch_->questions());
    scheduler_->set_transport(transport_.get());
  }

  void TearDown() override {
    meddler_->instead = nullptr;
    meddler_->before = meddler_->after = nullptr;
    scheduler_->objects().close_all();
    transport_->stop(0);
    own_fetch_.reset();
    own_hedges_.clear();
    streams_.clear();
  }

  std::shared_ptr<ObjectStream> open(const std::string& key, std::uint64_t chunks) {
    objects_[key] = {.size = chunks * kWatchedChunk, .seed = 1, .etag = "E-" + key};
    watch_->streams().will_open(key);
    auto stream = scheduler_->objects().open({"bucket", key});
    watch_->streams().opened(stream, true);
    watch_->after_step();
    streams_.push_back(stream);
    return stream;
  }
  void ask(bool behind = false) {
    transport_->ask(0, behind);
    watch_->after_step();
  }
  // All that is in flight, to its end.
  void play() {
    while (transport_->exchanges(0) > 0) transport_->play(0, 0);
    watch_->after_step();
  }
  // Its first chunk is in memory; what follows is to be asked for.
  std::shared_ptr<ObjectStream> open_now(const std::string& key, std::uint64_t chunks) {
    auto stream = open(key, chunks);
    ask();
    play();
    EXPECT_EQ(stream->state(), StreamState::kOpen);
    return stream;
  }
  void claim(ObjectStream& stream, std::uint64_t index) {
    scheduler_->claims().claim(stream, index);
    watch_->after_step();
  }
  // The scheduler does not see, in this one question, that somebody waits for the chunk.
  void hide(ObjectStream& stream, std::uint64_t index) {
    ASSERT_EQ(stream.slot(index).work, ChunkSlot::Work::kUrgent);
    meddler_->before = [this, &stream, index] { scheduler_->claims().release(stream, index); };
    meddler_->after = [this, &stream, index] { scheduler_->claims().claim(stream, index); };
  }
  // In the place of what the scheduler would start: a fetch of its own of that chunk.
  void start_own_fetch(ObjectStream& stream, std::uint64_t index) {
    meddler_->instead = [this, &stream, index]() -> Exchange* {
      own_fetch_ = std::make_unique<ChunkFetch>(parts_.context, nobody_, stream.name(),
                                                &stream.version(), stream.slot(index).chunk,
                                                stream.chunk_begin(index), SeenBefore{});
      bool ready = false;
      EXPECT_TRUE(own_fetch_->prepare(&ready).is_ok() && ready);
      return own_fetch_.get();
    };
  }
  // The same of a hedge of its second chunk, with memory for that or without.
  Exchange* own_hedge(ObjectStream& stream, bool with_ticket) {
    hedged_.push_back(std::make_unique<ChunkFetch>(parts_.context, nobody_, stream.name(),
                                                   &stream.version(), stream.slot(1).chunk,
                                                   stream.chunk_begin(1), SeenBefore{}));
    own_hedges_.push_back(std::make_unique<Hedge>(
        parts_.context, *hedged_.back(), stream.name(), stream.version(),
        ByteRange{kWatchedChunk, 2 * kWatchedChunk}, pool_->take(kWatchedChunk),
        with_ticket ? Ticket::try_take(budget_, kWatchedChunk) : Ticket()));
    EXPECT_TRUE(own_hedges_.back()->prepare());
    return own_hedges_.back().get();
  }
  void expect_right_so_far() { ASSERT_THAT(complaints_, testing::IsEmpty()); }
  void expect_complaint(const std::string& text) {
    EXPECT_THAT(complaints_, testing::Contains(testing::HasSubstr(text)));
  }

  FetchParts parts_;
  Nobody nobody_;
  std::map<std::string, FakeObject> objects_;
  std::shared_ptr<Budget> budget_;
  std::shared_ptr<PagePool> pool_ =
      PagePool::make({.slot_bytes = kWatchedChunk, .keep_bytes = 0}, parts_.clock);
  std::vector<std::string> complaints_;
  std::vector<std::shared_ptr<ObjectStream>> streams_;
  std::unique_ptr<ChunkFetch> own_fetch_;
  std::vector<std::unique_ptr<ChunkFetch>> hedged_;
  std::vector<std::unique_ptr<Hedge>> own_hedges_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<InvariantWatch> watch_;
  std::unique_ptr<Meddler> meddler_;
  std::unique_ptr<ShuffledTransport> transport_;
};

}  // namespace ossmc
