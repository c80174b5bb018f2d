#include "fetch/chunk_fetch.h"

#include <algorithm>
#include <utility>

#include "fetch/audit.h"

namespace ossmc {

namespace {

std::uint64_t microseconds(Duration duration) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

// Error documents are under 4 KiB; more than this is not one.
constexpr std::size_t kMaxErrorBodyBytes = 64 * 1024;

std::string describe_range(const ObjectName& name, std::uint64_t begin, std::uint64_t end) {
  return "GET " + printable(name.uri()) + " bytes [" + std::to_string(begin) + ", " +
         std::to_string(end) + ")";
}

}  // namespace

ChunkFetch::ChunkFetch(FetchContext& context, ChunkFetchOwner& owner, const ObjectName& name,
                       const ObjectVersion* known, ByteSink& sink, std::uint64_t begin,
                       SeenBefore seen, const ListedVersion* listed)
    : context_(context),
      owner_(owner),
      name_(name),
      known_(known),
      sink_(sink),
      begin_(begin),
      seen_(seen.first),
      seen_parts_(std::move(seen.others)),
      listed_(listed),
      ledger_(context, describe_range(name, begin, begin + sink.length()), name.uri()) {}

void ChunkFetch::cancel() {
  cancelled_.store(true, std::memory_order_relaxed);
  if (hedge_ != nullptr) hedge_->cancel();
}

Exchange* ChunkFetch::own_hedge(std::unique_ptr<Hedge> hedge) {
  hedge_ = std::move(hedge);
  return hedge_.get();
}

Status ChunkFetch::prepare(bool* ready) {
  *ready = false;
  held_back_.store(0, std::memory_order_relaxed);
  held_back_since_.store(0, std::memory_order_relaxed);
  if (cancelled_.load(std::memory_order_relaxed)) return Status(StatusCode::kClosed, "closed");
  // Which attempt brought the wrong bytes is not known: none of them is kept.
  if (std::exchange(differs_, false)) {
    sink_.restart();
    seen_parts_.restart();
  }
  Status give_up;
  if (!ledger_.may_start(&give_up)) return Status::ok();
  if (!give_up.is_ok()) return give_up;
  attempt_begin_ = begin_ + sink_.writer_filled();
  const ByteRange range{attempt_begin_, begin_ + sink_.length()};
  Result<SignedRequest> built = context_.builder.build(get_range_request(name_, range, if_match()));
  if (!built.is_ok()) return ledger_.describe(built.status());
  request_ = std::move(built).value();
  ledger_.begin(request_.credentials_generation);
  head_good_ = false;
  head_ = {};
  failure_.reset();
  error_body_.clear();
  *ready = true;
  return Status::ok();
}

bool ChunkFetch::on_head(const ResponseHead& head) noexcept {
  head_ = head;
  const AskedVersion version{
      .id = name_.version_id, .listed = listed_, .replier = context_.store.replier()};
  if (known_ == nullptr && tells_empty(head)) {
    CheckedReply empty = check_size_reply(head, version);
    if (!empty.failure.has_value()) {
      learnt_ = std::move(empty.version);
      known_ = &learnt_;
      first_reply_ = FirstReply::kVersionOnly;
      context_.store.note_object();
      return true;
    }
    failure_ = std::move(empty.failure);
    return false;
  }
  if (!head.is_success()) return true;  // the body tells why
  CheckedReply checked =
      check_range_reply(head, {attempt_begin_, begin_ + sink_.length()}, known_, version);
  if (checked.failure.has_value()) {
    if (checked.next == CheckedReply::Next::kSize) first_reply_ = FirstReply::kNoSize;
    // A store that ignores ranges, and an object that is larger than what there was memory for.
    if (checked.next == CheckedReply::Next::kSizeIfLittle) first_reply_ = FirstReply::kTooLong;
    failure_ = std::move(checked.failure);
    return false;
  }
  context_.store.note_object();
  head_good_ = known_ == nullptr ? take_version(std::move(checked)) : takes_reply(checked.version);
  return head_good_;
}

bool ChunkFetch::take_version(CheckedReply checked) {
  learnt_ = std::move(checked.version);
  known_ = &learnt_;
  const Status status = owner_.on_version(*this, learnt_, checked.range);
  if (!status.is_ok()) {
    failure_ = Failure{status, RetryClass::kNever, {}};
    return false;
  }
  ledger_.set_what(describe_range(name_, begin_, begin_ + sink_.length()));
  return true;
}

bool ChunkFetch::takes_reply(const ObjectVersion& told) {
  const std::optional<std::string> difference = owner_.on_reply(*this, told);
  if (!difference) return true;
  failure_ = changed_object(head_, *difference);
  return false;
}

bool ChunkFetch::on_body(const std::byte* data, std::size_t size) noexcept {
  if (!head_good_) {
    const std::size_t room = kMaxErrorBodyBytes - error_body_.size();
    error_body_.append(reinterpret_cast<const char*>(data), size < room ? size : room);
    return size <= room;  // a proxy may send for ever
  }
  if (first_reply_ == FirstReply::kVersionOnly) {
    dropped_bytes_ += size;
    return dropped_bytes_ <= sink_.length();
  }
  if (size > sink_.writer_room()) {
    // With every byte of the range there, nothing is left that another attempt could ask for.
    const RetryClass retry = sink_.writer_room() == 0 ? RetryClass::kNever : RetryClass::kTransient;
    failure_ = Failure{
        Status(StatusCode::kProtocol, "the reply's body is longer than its range"), retry, {}};
    return false;
  }
  return append(data, size);
}

bool ChunkFetch::append(const std::byte* data, std::size_t size) {
  const std::uint32_t begin = sink_.writer_filled();
  const std::size_t still_seen = seen_.bytes - std::min(seen_.bytes, begin);
  if (still_seen == 0 || size < still_seen) {
    sink_.append(data, size, context_.verify_crc64);
  } else {
    sink_.append(data, still_seen, true);
    differs_ = sink_.writer_crc() != seen_.crc;
    if (!differs_) sink_.append(data + still_seen, size - still_seen, true);
  }
  differs_ = differs_ || !seen_parts_.pass(begin, data, size);
  if (!differs_) return true;
  failure_ = Failure{
      Status(StatusCode::kChecksum, "the bytes differ from those that came before (CRC-64)"),
      RetryClass::kTransient,
      {}};
  return false;
}

void ChunkFetch::on_done(const ExchangeOutcome& outcome) noexcept {
  audit_exchange("GET", name_.uri(),
                 std::to_string(attempt_begin_) + "-" + std::to_string(begin_ + sink_.length() - 1),
                 head_, sink_.writer_filled() - (attempt_begin_ - begin_), ledger_.attempts(),
                 outcome);
  // The transport ends what is in progress when it stops.
  const bool was_stopped =
      outcome.error == TransportError::kCancelled && !cancelled() && !failure_.has_value();
  if (was_stopped || cancelled_.load(std::memory_order_relaxed)) {
    owner_.on_finished(*this, Status(StatusCode::kClosed, "closed while it was fetched"));
    return;
  }
  if (finish_with_hedge()) return;
  if (first_reply_ == FirstReply::kVersionOnly) {
    ledger_.on_success();
    owner_.on_finished(*this, Status::ok());
    return;
  }
  if (!failure_.has_value() && head_good_ && sink_.writer_room() == 0) {
    // All bytes are in: how the connection ended after the last one does not matter.
    note_times(outcome);
    ledger_.on_success();
    owner_.on_finished(*this, Status::ok());
    return;
  }
  const AttemptLedger::Verdict verdict = verdict_on(outcome);
  if (verdict.retry) {
    owner_.on_retry(*this, verdict.due);
  } else {
    owner_.on_finished(*this, verdict.error);
  }
}

void ChunkFetch::on_held_back(bool is_held_back) noexcept {
  const Duration::rep now = context_.clock.now().time_since_epoch().count();
  const Duration::rep since =
      held_back_since_.exchange(is_held_back ? now : 0, std::memory_order_relaxed);
  if (since != 0) held_back_.fetch_add(now - since, std::memory_order_relaxed);
}

Duration ChunkFetch::held_back(TimePoint now) const {
  const Duration::rep since = held_back_since_.load(std::memory_order_relaxed);
  const Duration over(held_back_.load(std::memory_order_relaxed));
  return since == 0 ? over : over + (now - TimePoint(Duration(since)));
}

void ChunkFetch::note_times(const ExchangeOutcome& outcome) {
  const Duration elapsed = outcome.elapsed - outcome.held_back;
  context_.counters.line.note(outcome.first_byte, elapsed,
                              sink_.length() - (attempt_begin_ - begin_));
  if (is_part_) return;
  context_.counters.chunk_first_byte_us.record(microseconds(outcome.first_byte));
  context_.counters.chunk_whole_us.record(microseconds(elapsed));
}

std::string_view ChunkFetch::if_match() const {
  if (known_ != nullptr) return known_->etag;
  return listed_ != nullptr ? std::string_view(listed_->etag) : std::string_view();
}

// REQUIRES: the attempt did not bring what is missing.
AttemptLedger::Verdict ChunkFetch::verdict_on(const ExchangeOutcome& outcome) {
  if (failure_.has_value()) return ledger_.on_failure(*failure_);
  if (outcome.error == TransportError::kCancelled) {
    return ledger_.on_failure(
        {Status(StatusCode::kConnect, "ended for a second request that did not fit"),
         RetryClass::kTransient,
         {}});
  }
  // An error whose document was cut off is still that error.
  const bool is_error_reply = head_.status != 0 && !head_.is_success();
  if (outcome.error != TransportError::kNone && !is_error_reply)
    return ledger_.on_transport_error(outcome);
  if (head_good_) {
    const std::string text = "the reply ended " + std::to_string(sink_.writer_room()) +
                             " bytes before the end of its range";
    // Taken for the whole object though it told no length, it will end there the next time too.
    const bool is_of_no_length = head_.status == 200 && !head_.content_length;
    return ledger_.on_failure(
        is_of_no_length ? Failure{Status(StatusCode::kProtocol, text), RetryClass::kNever, {}}
                        : Failure{Status(StatusCode::kConnect, text), RetryClass::kTransient, {}});
  }
  if (head_.status == 416 && known_ == nullptr) first_reply_ = FirstReply::kNoRange;
  return ledger_.on_failure(classify_error_reply(Operation::kGetObject, name_.uri(), head_,
                                                 error_body_, {name_.version_id, known_ != nullptr},
                                                 context_.store.replier()));
}

bool ChunkFetch::finish_with_hedge() {
  const Hedge* const tail = tail_.exchange(nullptr, std::memory_order_acquire);
  const std::uint64_t begin = begin_ + sink_.writer_filled();
  // What is hidden may have been started anew, before the tail's first byte.
  if (tail == nullptr || differs_ || tail->range().begin > begin) return false;
  if (!append(tail->data() + (begin - tail->range().begin), tail->range().end - begin))
    return false;
  ledger_.on_success();
  owner_.on_finished(*this, Status::ok());
  return true;
}

}  // namespace ossmc
