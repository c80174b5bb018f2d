#include "fetch/hedge.h"

#include <cstring>
#include <utility>

#include "fetch/audit.h"
#include "fetch/chunk_fetch.h"

namespace ossmc {

Hedge::Hedge(FetchContext& context, ChunkFetch& fetch, const ObjectName& name,
             const ObjectVersion& version, ByteRange range, Block block, Ticket ticket)
    : context_(context),
      fetch_(fetch),
      name_(name),
      version_(version),
      range_(range),
      block_(std::move(block)),
      ticket_(std::move(ticket)) {}

bool Hedge::prepare() {
  Result<SignedRequest> built =
      context_.builder.build(get_range_request(name_, range_, version_.etag));
  if (!built.is_ok()) return false;
  request_ = std::move(built).value();
  return true;
}

const void* Hedge::reader() const noexcept { return fetch_.reader(); }

bool Hedge::on_head(const ResponseHead& head) noexcept {
  head_ = head;
  // What is wrong with a reply, the chunk's own attempts find out and tell.
  if (!head.is_success()) return false;
  CheckedReply checked = check_range_reply(head, range_, &version_, {.id = name_.version_id});
  head_good_ = !checked.failure.has_value() && fetch_.takes_hedge(checked.version);
  return head_good_;
}

bool Hedge::on_body(const std::byte* data, std::size_t size) noexcept {
  if (!head_good_ || size > range_.size() - filled_) return false;
  std::memcpy(block_.data() + filled_, data, size);
  filled_ += size;
  return true;
}

void Hedge::on_done(const ExchangeOutcome& outcome) noexcept {
  audit_exchange("GET", name_.uri(),
                 std::to_string(range_.begin) + "-" + std::to_string(range_.end - 1), head_,
                 filled_, 1, outcome);
  fetch_.on_hedge_done(head_good_ && filled_ == range_.size());
}

}  // namespace ossmc
