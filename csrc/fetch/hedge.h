// Hedge: the last bytes of a chunk, asked for a second time, on a fresh connection, because the
// chunk's own exchange is among the slowest. One attempt into memory of its own; whichever comes
// first is used.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "fetch/fetch_context.h"
#include "fetch/response_check.h"
#include "memory/budget.h"
#include "memory/page_pool.h"
#include "protocol/object_name.h"
#include "transfer/exchange.h"

namespace ossmc {

class ChunkFetch;

// Owned by its ChunkFetch, which outlives the exchange; used by one I/O thread until that has
// ended, save cancel(); constant after.
class Hedge final : public Exchange {
 public:
  // Of the object's bytes, `range`. `block` holds at least that many, `ticket` is for it. `name`
  // and `version` outlive the hedge.
  Hedge(FetchContext& context, ChunkFetch& fetch, const ObjectName& name,
        const ObjectVersion& version, ByteRange range, Block block, Ticket ticket);

  // Signs. False: it cannot be sent now.
  bool prepare();
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  const ByteRange& range() const { return range_; }
  std::uint64_t ticket_bytes() const { return ticket_.bytes(); }
  // After the end, if all bytes came.
  const std::byte* data() const { return block_.data(); }

  const HttpRequest& request() noexcept override { return request_.http; }
  bool on_head(const ResponseHead& head) noexcept override;
  bool on_body(const std::byte* data, std::size_t size) noexcept override;
  void on_done(const ExchangeOutcome& outcome) noexcept override;
  bool cancelled() const noexcept override { return cancelled_.load(std::memory_order_relaxed); }
  bool wants_fresh_connection() const noexcept override { return true; }
  const void* reader() const noexcept override;

 private:
  FetchContext& context_;
  ChunkFetch& fetch_;
  const ObjectName& name_;
  const ObjectVersion& version_;
  const ByteRange range_;
  const Block block_;
  const Ticket ticket_;
  std::atomic<bool> cancelled_{false};  // relaxed: seen at the latest after the next wake

  SignedRequest request_;
  ResponseHead head_;
  bool head_good_ = false;
  std::size_t filled_ = 0;
};

}  // namespace ossmc
