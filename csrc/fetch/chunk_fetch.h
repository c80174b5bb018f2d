// ChunkFetch: one chunk from its first attempt to its end. Fills the chunk as bytes arrive, checks
// each reply, resumes behind the last byte after a failure, and tells its owner the outcome.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "fetch/attempt_ledger.h"
#include "fetch/fetch_context.h"
#include "fetch/hedge.h"
#include "fetch/response_check.h"
#include "memory/chunk.h"
#include "protocol/object_name.h"
#include "transfer/exchange.h"

namespace ossmc {

class ChunkFetch;

// The first `bytes` of a chunk, which callers may have had already from an earlier fetch.
struct SeenBytes {
  std::uint32_t bytes = 0;
  std::uint64_t crc = 0;  // CRC-64 of them
};

// Implemented by the prefetch floor. All calls come from the I/O thread that runs the fetch,
// without any lock held.
class ChunkFetchOwner {
 public:
  virtual ~ChunkFetchOwner() = default;
  // Only for a fetch that was started without a known version: the first good reply's head. The
  // owner may shrink the chunk (its length becomes that of the reply's range). An error ends the
  // fetch with it.
  virtual Status on_version(ChunkFetch& fetch, const ObjectVersion& version, ByteRange range) = 0;
  // Wants to run again at `due`. The owner hands it out again through its WorkSource.
  virtual void on_retry(ChunkFetch& fetch, TimePoint due) = 0;
  // The end; the owner destroys the fetch. The chunk is still kFilling: the owner calls finish() or
  // fail().
  virtual void on_finished(ChunkFetch& fetch, const Status& status) = 0;
};

// Owned by its owner; used by one I/O thread at a time, save cancel(). The chunk is kFilling for
// the fetch's whole life.
class ChunkFetch final : public Exchange {
 public:
  // `known`: the version that was learnt when the object was opened; null for the first request of
  // an object, which then asks for [begin, begin + chunk's length) and takes what there is. `name`,
  // `known`, `chunk` outlive the fetch. `seen`: if bytes came that differ from those, all is asked
  // for once more; the chunk is kRefilling then.
  ChunkFetch(FetchContext& context, ChunkFetchOwner& owner, const ObjectName& name,
             const ObjectVersion* known, Chunk& chunk, std::uint64_t begin, SeenBytes seen = {});

  // Before each hand-out to an I/O thread: signs. kOk with *ready false: credentials are still
  // being asked for, look again later. An error: cannot be started; on_finished was not called.
  Status prepare(bool* ready);
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool was_closed() const { return cancelled_.load(std::memory_order_relaxed); }
  // The chunk's last bytes came by another way. Any thread; `tail` is whole, and outlives the
  // fetch. The exchange in progress ends soon, and with it the fetch.
  void use_tail(const Hedge& tail) { tail_.store(&tail, std::memory_order_release); }
  // After use_tail(), for a fetch that has no exchange: by whom on_retry() was told.
  void finish_with_tail();
  bool has_tail() const { return tail_.load(std::memory_order_relaxed) != nullptr; }

  // The first request was answered 416: the object is empty, or the store does not do ranges; ask
  // with HEAD.
  bool was_range_refused() const { return range_refused_; }
  Chunk& chunk() const { return chunk_; }
  std::uint64_t begin() const { return begin_; }

  const HttpRequest& request() noexcept override { return request_.http; }
  bool on_head(const ResponseHead& head) noexcept override;
  bool on_body(const std::byte* data, std::size_t size) noexcept override;
  void on_done(const ExchangeOutcome& outcome) noexcept override;
  bool cancelled() const noexcept override { return was_closed() || has_tail(); }
  // Without a version somebody may be opening the object.
  bool is_awaited() const noexcept override { return known_ == nullptr || chunk_.is_awaited(); }

 private:
  // Fills what is missing from the tail, and ends the fetch. False: there is none, or it does not
  // fit.
  bool take_tail();
  // False: these are not the bytes that were seen.
  bool append(const std::byte* data, std::size_t size);
  void settle(const AttemptLedger::Verdict& verdict);

  FetchContext& context_;
  ChunkFetchOwner& owner_;
  const ObjectName& name_;
  const ObjectVersion* known_;
  Chunk& chunk_;
  const std::uint64_t begin_;
  const SeenBytes seen_;
  std::atomic<bool> cancelled_{false};       // relaxed: seen at the latest after the next wake
  std::atomic<const Hedge*> tail_{nullptr};  // release and acquire: what the hedge holds

  AttemptLedger ledger_;
  SignedRequest request_;
  std::uint64_t attempt_begin_ = 0;  // first byte this attempt asked for
  ObjectVersion learnt_;             // known_ points here after the first good head
  bool range_refused_ = false;
  // Of the attempt in progress.
  ResponseHead head_;
  bool head_good_ = false;
  bool differs_ = false;  // from what was seen
  std::optional<Failure> failure_;
  std::string error_body_;
};

}  // namespace ossmc
