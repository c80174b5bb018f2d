// ChunkFetch: one range of an object, a chunk or a part of one, from its first attempt to its end.
// Hands bytes to a sink as they arrive, checks each reply, resumes behind the last byte after a
// failure, and tells its owner the outcome. A fetch among the slowest gets a second exchange, a
// hedge; it owns both.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fetch/attempt_ledger.h"
#include "fetch/fetch_context.h"
#include "fetch/hedge.h"
#include "fetch/response_check.h"
#include "fetch/seen_ranges.h"
#include "memory/byte_sink.h"
#include "protocol/object_name.h"
#include "transfer/exchange.h"

namespace ossmc {

class ChunkFetch;

// What callers have had of a range already. Where other bytes come, all is asked for once more.
struct SeenBefore {
  SeenBytes first;
  std::vector<SeenRange> others;

  bool empty() const { return first.bytes == 0 && others.empty(); }
};

// Implemented by the prefetch floor. All calls come from the I/O thread that runs the fetch,
// without any lock held.
class ChunkFetchOwner {
 public:
  virtual ~ChunkFetchOwner() = default;
  // Only for a fetch that was started without a known version: the first good reply's head, and the
  // bytes it brings. The owner may shrink the chunk, or drop_bytes(). An error ends the fetch with
  // it.
  virtual Status on_version(ChunkFetch& fetch, const ObjectVersion& version, ByteRange range) = 0;
  // What each other good reply says of the version, before its bytes are in the chunk; a hedge's
  // too, from the I/O thread that runs it. A text: how it differs from what replies of the object
  // have said so far; none of its bytes is used.
  virtual std::optional<std::string> on_reply(ChunkFetch& fetch, const ObjectVersion& told) = 0;
  // Wants to run again at `due`. The owner hands it out again through its WorkSource.
  virtual void on_retry(ChunkFetch& fetch, TimePoint due) = 0;
  // The end. A chunk is still kFilling: the owner calls finish() or fail(). It destroys the fetch
  // when no hedge is in progress.
  virtual void on_finished(ChunkFetch& fetch, const Status& status) = 0;
  // The hedge is in progress no longer; `whole`: it has all its bytes. From the I/O thread that ran
  // it, while another may run the fetch. After the end, the owner destroys the fetch now.
  virtual void on_hedge_ended(ChunkFetch& fetch, bool whole) = 0;
};

// Owned by its owner; used by one I/O thread at a time, save where said. The sink is its own for as
// long as it runs.
class ChunkFetch final : public Exchange {
 public:
  // What the first reply said of an object whose version was not known, if it was not its bytes.
  enum class FirstReply : std::uint8_t {
    kBytes,
    kNoRange,      // 416: the object is empty, or the store does not do ranges; ask with HEAD
    kNoSize,       // it does not tell how long the object is
    kTooLong,      // 200 with more bytes than were asked for
    kVersionOnly,  // the bytes were dropped, or there are none
  };

  // `known`: the version that was learnt when the object was opened; null for the first request of
  // an object, which then asks for [begin, begin + sink's length) and takes what there is, but of
  // no other version than `listed`, if set. `name`, `known`, `sink`, `listed` outlive the fetch.
  // Where bytes were seen nobody sees those of this fetch before its end.
  ChunkFetch(FetchContext& context, ChunkFetchOwner& owner, const ObjectName& name,
             const ObjectVersion* known, ByteSink& sink, std::uint64_t begin, SeenBefore seen = {},
             const ListedVersion* listed = nullptr);

  // Before each hand-out to an I/O thread: signs. kOk with *ready false: not now, look again later.
  // An error: cannot be started; on_finished was not called.
  Status prepare(bool* ready);
  // --- under the owner's lock ---
  // Nobody wants the bytes, or the hedge, any more: what is in progress ends soon.
  void cancel();
  bool is_given_up() const { return cancelled_.load(std::memory_order_relaxed); }
  // A second exchange, for the last bytes of the range. At most one, which take_hedge() takes back
  // when it has ended in vain.
  Exchange* own_hedge(std::unique_ptr<Hedge> hedge);
  std::unique_ptr<Hedge> take_hedge() { return std::move(hedge_); }
  const Hedge* hedge() const { return hedge_.get(); }
  // REQUIRES: on_hedge_ended() said `whole`. The exchange in progress ends soon, and with it the
  // fetch; where none is, call finish_with_hedge(), under no lock.
  void use_hedge() { tail_.store(hedge_.get(), std::memory_order_release); }

  // By the hedge: may bytes of this reply be used? And when its exchange has ended.
  bool takes_hedge(const ObjectVersion& told) { return !owner_.on_reply(*this, told); }
  void on_hedge_done(bool whole) noexcept { owner_.on_hedge_ended(*this, whole); }
  // Fills what is missing from the hedge, and ends the fetch. False: there is none to be used, or
  // it does not fit.
  bool finish_with_hedge();

  // In on_version(): the sink is not to have what this reply brings; the fetch ends with its body.
  void drop_bytes() { first_reply_ = FirstReply::kVersionOnly; }
  FirstReply first_reply() const { return first_reply_; }
  const ObjectVersion& learnt() const { return learnt_; }  // by the first good reply
  ByteSink& sink() const { return sink_; }
  // Its times are not those of a chunk.
  void set_is_part(bool is_part) { is_part_ = is_part; }
  // Whose bytes they are, for the limit of bytes a second; before it starts.
  void set_reader(const void* reader) { reader_ = reader; }
  // Any thread: how long the attempt in progress was held back for that limit. Then it is not slow.
  Duration held_back(TimePoint now) const;

  const HttpRequest& request() noexcept override { return request_.http; }
  bool on_head(const ResponseHead& head) noexcept override;
  bool on_body(const std::byte* data, std::size_t size) noexcept override;
  void on_done(const ExchangeOutcome& outcome) noexcept override;
  // By cancel(), or for a hedge that is to be used.
  bool cancelled() const noexcept override {
    return cancelled_.load(std::memory_order_relaxed) ||
           tail_.load(std::memory_order_relaxed) != nullptr;
  }
  // Without a version somebody may be opening the object.
  bool is_awaited() const noexcept override { return known_ == nullptr || sink_.is_awaited(); }
  const void* reader() const noexcept override { return reader_; }
  void on_held_back(bool is_held_back) noexcept override;

 private:
  // False: these are not the bytes that were seen.
  bool append(const std::byte* data, std::size_t size);
  // What the version is pinned by; empty: nothing.
  std::string_view if_match() const;
  // The first good reply's, and that of a later one. False: none of its bytes is used.
  bool take_version(CheckedReply checked);
  bool takes_reply(const ObjectVersion& told);
  void note_times(const ExchangeOutcome& outcome);
  AttemptLedger::Verdict verdict_on(const ExchangeOutcome& outcome);

  FetchContext& context_;
  ChunkFetchOwner& owner_;
  const ObjectName& name_;
  const ObjectVersion* known_;
  ByteSink& sink_;
  const std::uint64_t begin_;
  const SeenBytes seen_;
  SeenRanges seen_parts_;
  bool is_part_ = false;
  const void* reader_ = nullptr;
  // Relaxed, of the I/O thread; others look at them as figures. The time that is over, and since
  // when it is held back now, by the clock; 0: it is not.
  std::atomic<Duration::rep> held_back_{0};
  std::atomic<Duration::rep> held_back_since_{0};
  const ListedVersion* const listed_;
  std::atomic<bool> cancelled_{false};       // relaxed: seen at the latest after the next wake
  std::unique_ptr<Hedge> hedge_;             // the owner's lock, but what tail_ points to
  std::atomic<const Hedge*> tail_{nullptr};  // release and acquire: what the hedge holds

  AttemptLedger ledger_;
  SignedRequest request_;
  std::uint64_t attempt_begin_ = 0;  // first byte this attempt asked for
  ObjectVersion learnt_;             // known_ points here after the first good head
  FirstReply first_reply_ = FirstReply::kBytes;
  // Of the attempt in progress.
  ResponseHead head_;
  bool head_good_ = false;
  bool differs_ = false;  // from what was seen
  std::uint64_t dropped_bytes_ = 0;
  std::optional<Failure> failure_;
  std::string error_body_;
};

}  // namespace ossmc
