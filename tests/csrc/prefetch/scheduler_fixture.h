// SchedulerHouse: the real scheduler over a fake transport in virtual time, with objects of pattern
// data behind it.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/crc64.h"
#include "prefetch/object_view.h"
#include "prefetch/scheduler.h"
#include "prefetch/stream_reader.h"
#include "support/csrc/fake_thread_load.h"
#include "support/csrc/fake_transport.h"
#include "support/csrc/fetch_parts.h"
#include "support/csrc/pattern.h"

namespace ossmc {

// Lets so many things happen, one at each look, and then interrupts.
class SteppingInterrupt final : public Interrupt {
 public:
  SteppingInterrupt(FakeTransport& transport, int steps) : transport_(transport), steps_(steps) {}
  bool pending() override { return steps_-- <= 0 || !transport_.step(); }

 private:
  FakeTransport& transport_;
  int steps_;
};

inline constexpr std::uint64_t kChunk = 64 * 1024;

struct HouseOptions {
  std::uint32_t chunk_bytes = kChunk;
  std::uint64_t budget_bytes = 16ULL * kChunk;
  std::shared_ptr<SharedBudget> shared = nullptr;  // set: it has a part of that
  std::uint32_t little_bytes = 256u << 10;  // as SchedulerOptions has it: more than a chunk here
  std::uint64_t kept_bytes = SchedulerOptions().kept_bytes;
  std::uint64_t least_ready_bytes = SchedulerOptions().least_ready_bytes;
  PieceSizes pieces = {};
  int threads = 2;
  int slots_per_thread = 4;
  int most_slots_per_thread = 0;  // more: the scheduler finds its level
  std::uint64_t seed = 1;
  double thread_load = 0;  // the share of the time in which I/O threads are busy
};

class SchedulerHouse {
 public:
  explicit SchedulerHouse(HouseOptions options = {})
      : options_(options),
        load(parts.clock, options.thread_load),
        budget(options.shared == nullptr
                   ? std::make_shared<Budget>(options.budget_bytes)
                   : std::make_shared<Budget>(options.shared, 2ULL * options.chunk_bytes)),
        pool(PagePool::make({.slot_bytes = options.chunk_bytes, .keep_bytes = 0}, parts.clock)),
        scheduler({.chunk_bytes = options.chunk_bytes,
                   .little_bytes = options.little_bytes,
                   .kept_bytes = options.kept_bytes,
                   .least_ready_bytes = options.least_ready_bytes,
                   .pieces = options.pieces,
                   .slots = {.threads = options.threads,
                             .start_per_thread = options.slots_per_thread,
                             .most_per_thread = options.most_slots_per_thread,
                             .load = &load}},
                  parts.context, budget, pool),
        transport(
            scheduler, parts.clock,
            [this](const HttpRequest& request, std::size_t index) { return reply(request, index); },
            options.seed, options.threads),
        pump(transport) {
    scheduler.set_transport(&transport);
    budget->set_listener(&scheduler);
  }
  ~SchedulerHouse() {
    budget->set_listener(nullptr);
    scheduler.objects().close_all();
    transport.stop();
  }

  void add_object(const std::string& key, std::uint64_t size) {
    objects[key] =
        FakeObject{.size = size, .seed = std::hash<std::string>{}(key), .etag = "ETAG-" + key};
  }
  std::shared_ptr<ObjectStream> open(const std::string& key) {
    return scheduler.objects().open({"bucket", key});
  }
  // By a version that is known, without a request. The object has a CRC-64 `with_crc`.
  std::shared_ptr<ObjectStream> open_known(const std::string& key, bool prefetches,
                                           bool with_crc = false) {
    const FakeObject& object = objects[key];
    ObjectVersion version;
    version.size = object.size;
    version.etag = object.etag;
    if (with_crc) {
      const std::string bytes = expected(key, 0, object.size);
      version.crc64 = crc64_update(0, bytes.data(), bytes.size());
    }
    StreamOptions options;
    options.prefetches = prefetches;
    return scheduler.objects().open_known({"bucket", key}, version, options).value();
  }
  // Opens and waits, HEAD included.
  std::shared_ptr<ObjectStream> open_now(const std::string& key) {
    auto stream = open(key);
    while (stream->state() == StreamState::kOpening && transport.step()) {
    }
    EXPECT_EQ(stream->state(), StreamState::kOpen) << key;
    return stream;
  }
  Status read(ObjectStream& stream, std::uint64_t offset, std::size_t size, std::string* out,
              bool sequential = true) {
    out->resize(size);
    return read_stream(scheduler, stream, offset, reinterpret_cast<std::byte*>(out->data()), size,
                       {.progress_limit = std::chrono::seconds(3600), .sequential = sequential},
                       pump);
  }
  std::string expected(const std::string& key, std::uint64_t offset, std::size_t size) {
    return pattern_string(objects[key].seed, offset, size);
  }
  // "key@begin" of every ranged request so far, in order of start.
  std::vector<std::string> ranges() const {
    std::vector<std::string> result;
    for (const FakeTransport::Started& started : transport.started())
      result.push_back(range_of(started.request));
    return result;
  }
  static std::string range_of(const HttpRequest& request) {
    if (request.method == Method::kHead) return key_of(request) + "@HEAD";
    const std::string range = header_of(request, "Range");
    const std::string key = key_of(request);
    return key + "@" + range.substr(6, range.find('-') - 6);
  }

  const HouseOptions options_;
  FetchParts parts;
  std::map<std::string, FakeObject> objects;
  // Overrides the reply to a request when it returns one.
  std::function<std::optional<FakeReply>(const HttpRequest&, std::size_t)> fault;
  FakeThreadLoad load;
  std::shared_ptr<Budget> budget;
  std::shared_ptr<PagePool> pool;
  Scheduler scheduler;
  FakeTransport transport;
  PumpingInterrupt pump;
  int heads = 0;  // HEAD requests that were answered

 private:
  FakeReply reply(const HttpRequest& request, std::size_t index) {
    if (options_.shared == nullptr) {
      EXPECT_LE(budget->used_bytes(), budget->limit_bytes());
    }
    add(parts.counters.requests);  // as the I/O threads do
    if (fault) {
      if (auto overridden = fault(request, index)) return *overridden;
    }
    if (request.method == Method::kHead) ++heads;
    const std::string key = key_of(request);
    const auto found = objects.find(key);
    if (found == objects.end()) return oss_error(404, "NoSuchKey");
    FakeReply good = serve(found->second, request);
    good.head_delay = std::chrono::milliseconds(5);
    good.piece_delay = std::chrono::milliseconds(1);
    return good;
  }
};

}  // namespace ossmc
