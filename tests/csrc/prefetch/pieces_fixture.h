// PiecesTest: reads that receive in their callers' memory, on the real scheduler over a fake
// transport in virtual time.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "csrc/prefetch/scheduler_fixture.h"
#include "fetch/chunk_fetch.h"
#include "memory/range_sink.h"
#include "prefetch/piece_read.h"

namespace ossmc {

// Each look lets happen what brings the pieces that were asked for, and what comes before that.
class UntilPiecesCame final : public Interrupt {
 public:
  explicit UntilPiecesCame(FakeTransport& transport) : transport_(transport) {}
  bool pending() override {
    transport_.step();
    transport_.run_until([this] {
      return std::ranges::none_of(transport_.exchanges(), [](const Exchange* exchange) {
        const auto* const fetch = dynamic_cast<const ChunkFetch*>(exchange);
        return fetch != nullptr && dynamic_cast<const RangeSink*>(&fetch->sink()) != nullptr;
      });
    });
    return false;
  }

 private:
  FakeTransport& transport_;
};

// With a step the caller decides: each look calls it; true: interrupted.
class ScriptedInterrupt final : public Interrupt {
 public:
  explicit ScriptedInterrupt(std::function<bool()> look) : look_(std::move(look)) {}
  bool pending() override { return look_(); }

 private:
  const std::function<bool()> look_;
};

// Small chunks, and sizes to match.
inline constexpr std::uint64_t kLargeRead = 4 * kChunk;
inline HouseOptions pieces_options() {
  return {.budget_bytes = 64ULL * kChunk,
          .pieces = {.large_bytes = kLargeRead,
                     .large_unprefetched_bytes = kLargeRead,
                     .small_rest_bytes = 8 * kChunk,
                     .small_chunk_bytes = 0,
                     .bulk_bytes = kChunk}};
}

class PiecesTest : public testing::Test {
 protected:
  explicit PiecesTest(HouseOptions options = pieces_options()) : house_(std::move(options)) {
    house_.add_object("a", kObjectChunks * kChunk);
    house_.add_object("b", kObjectChunks * kChunk);
  }

  static ReadOptions options(bool sequential = false, Duration limit = std::chrono::hours(1)) {
    return {.progress_limit = limit, .sequential = sequential, .pieces = true};
  }
  // Of object "a", unless told.
  Status read(ObjectStream& stream, std::uint64_t offset, std::size_t size, Interrupt& interrupt,
              bool sequential = false) {
    got_.assign(size, '?');
    return read_stream(house_.scheduler, stream, offset, reinterpret_cast<std::byte*>(got_.data()),
                       size, options(sequential), interrupt);
  }
  void expect_read(ObjectStream& stream, std::uint64_t offset, std::size_t size,
                   bool sequential = false) {
    expect_read(stream, offset, size, settles_, sequential);
  }
  void expect_read(ObjectStream& stream, std::uint64_t offset, std::size_t size,
                   Interrupt& interrupt, bool sequential = false) {
    const Status status = read(stream, offset, size, interrupt, sequential);
    ASSERT_TRUE(status.is_ok()) << status.message();
    ASSERT_TRUE(got_ == house_.expected(stream.name().key, offset, size)) << offset;
  }
  // "key@begin+size" of every ranged request since the first `count`.
  std::vector<std::string> asked(std::size_t count = 0) const {
    std::vector<std::string> result;
    for (std::size_t i = count; i < house_.transport.started().size(); ++i) {
      const HttpRequest& request = house_.transport.started()[i].request;
      const std::string range = header_of(request, "Range").substr(6);
      const std::uint64_t begin = std::stoull(range);
      const std::uint64_t last = std::stoull(range.substr(range.find('-') + 1));
      result.push_back(name_of(key_of(request), begin, last + 1 - begin));
    }
    return result;
  }
  static std::string name_of(const std::string& key, std::uint64_t begin, std::uint64_t size) {
    return key + "@" + std::to_string(begin) + "+" + std::to_string(size);
  }
  static std::string chunk_request(const std::string& key, std::uint64_t index) {
    return name_of(key, index * kChunk, kChunk);
  }
  std::size_t asked_so_far() const { return house_.transport.started().size(); }
  // Requests whose range has that begin hang before their last bytes.
  void hang_at(const std::string& key, std::uint64_t begin) { hangs_.push_back({key, begin}); }
  // Whatever asks for that range first gets this.
  void answer_once(const std::string& key, std::uint64_t begin,
                   std::function<FakeReply(FakeReply)> change) {
    answers_.push_back({{key, begin}, std::move(change)});
  }
  void SetUp() override {
    house_.fault = [this](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
      if (request.method == Method::kHead) return std::nullopt;
      const std::string key = key_of(request);
      const Place place{key, std::stoull(header_of(request, "Range").substr(6))};
      FakeReply good = serve(house_.objects[key], request);
      good.head_delay = std::chrono::milliseconds(5);
      good.piece_delay = std::chrono::milliseconds(1);
      const auto answer = std::ranges::find_if(
          answers_, [&](const auto& candidate) { return candidate.first == place; });
      if (answer != answers_.end()) {
        const auto change = std::move(answer->second);
        answers_.erase(answer);
        return change(std::move(good));
      }
      if (std::ranges::find(hangs_, place) == hangs_.end()) return std::nullopt;
      good.hangs = true;
      good.body.pop_back();
      return good;
    };
  }
  // All that can happen, happens; what hangs is looked at for ever.
  void settle() { house_.transport.run_for(std::chrono::seconds(2)); }
  // All is closed: nothing is in progress, no memory is left.
  void expect_clean_end() {
    house_.scheduler.objects().close_all();
    house_.transport.run();
    EXPECT_EQ(house_.transport.in_progress(), 0);
    EXPECT_EQ(house_.budget->used_bytes(), 0U);
  }

  static constexpr std::uint64_t kObjectChunks = 40;
  SchedulerHouse house_;
  UntilPiecesCame pieces_come_{house_.transport};
  ScriptedInterrupt settles_{[this] {
    settle();
    return false;
  }};
  std::string got_;

 private:
  using Place = std::pair<std::string, std::uint64_t>;
  std::vector<Place> hangs_;
  std::vector<std::pair<Place, std::function<FakeReply(FakeReply)>>> answers_;
};

}  // namespace ossmc
