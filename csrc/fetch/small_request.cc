#include "fetch/small_request.h"

#include <utility>

#include "fetch/audit.h"
#include "fetch/response_check.h"

namespace ossmc {

namespace {

// The document's root stands behind the XML declaration, and comments of some stores.
constexpr std::size_t kMaxBytesBeforePage = 4096;

}  // namespace

SmallRequest::SmallRequest(FetchContext& context, SmallRequestOwner& owner, Operation operation,
                           StoreRequest request, std::string what, std::string uri,
                           std::size_t max_body_bytes)
    : context_(context),
      owner_(owner),
      operation_(operation),
      store_request_(std::move(request)),
      what_(std::move(what)),
      uri_(std::move(uri)),
      max_body_bytes_(max_body_bytes),
      ledger_(context, what_, uri_) {}

Status SmallRequest::prepare(bool* ready) {
  *ready = false;
  Status give_up;
  if (!ledger_.may_start(&give_up)) return Status::ok();
  if (!give_up.is_ok()) return give_up;
  Result<SignedRequest> built = context_.builder.build(store_request_);
  if (!built.is_ok()) return ledger_.describe(built.status());
  signed_ = std::move(built).value();
  ledger_.begin(signed_.credentials_generation);
  head_ = {};
  head_seen_ = false;
  too_long_ = false;
  body_.clear();
  self_ = shared_from_this();
  *ready = true;
  return Status::ok();
}

bool SmallRequest::on_head(const ResponseHead& head) noexcept {
  head_ = head;
  head_seen_ = true;
  return true;
}

bool SmallRequest::on_body(const std::byte* data, std::size_t size) noexcept {
  const std::size_t room = max_body_bytes_ - body_.size();
  body_.append(reinterpret_cast<const char*>(data), size < room ? size : room);
  // An error page that is too long is an error all the same: only its start matters.
  too_long_ = size > room && head_.is_success();
  return size <= room;
}

void SmallRequest::on_done(const ExchangeOutcome& outcome) noexcept {
  const std::shared_ptr<SmallRequest> self = std::exchange(self_, nullptr);
  audit_exchange(operation_ == Operation::kList ? "LIST" : method_name(store_request_.method), uri_,
                 "", head_, body_.size(), ledger_.attempts(), outcome);
  // An error whose document was cut off is still that error.
  const bool is_cut = outcome.error != TransportError::kNone && (!head_seen_ || head_.is_success());
  const bool is_whole = head_seen_ && head_.status == 200 && !too_long_ && !is_cut;
  // Of a GET for the size. A body that ends with its connection may have been cut.
  if (is_whole && operation_ == Operation::kGetObject && head_.is_chunked && !head_.content_length)
    head_.content_length = body_.size();
  if (cancelled() || outcome.error == TransportError::kCancelled) {
    owner_.on_finished(self, Status(StatusCode::kClosed, "closed while it was in progress"));
  } else if (is_whole && is_no_page()) {
    ErrorDetail detail;
    detail.http_status = head_.status;
    settle(ledger_.on_failure(
        {Status(StatusCode::kProtocol,
                "HTTP 200 with no list of objects; " + no_store_advice(context_.store.replier()),
                std::move(detail)),
         RetryClass::kNever,
         {}}));
  } else if (is_answered() || is_whole) {
    if (operation_ != Operation::kList && head_.is_success() && !is_bare(head_))
      context_.store.note_object();
    ledger_.on_success();
    owner_.on_finished(self, Status::ok());
  } else if (too_long_) {
    settle(ledger_.on_failure(
        {Status(StatusCode::kProtocol,
                "the reply is longer than " + std::to_string(max_body_bytes_) + " bytes"),
         RetryClass::kNever,
         {}}));
  } else if (is_cut) {
    settle(ledger_.on_transport_error(outcome));
  } else {
    settle(ledger_.on_failure(classify_error_reply(operation_, uri_, head_, body_,
                                                   {version_id_of(store_request_)},
                                                   context_.store.replier())));
  }
}

bool SmallRequest::is_answered() const {
  if (!head_seen_ || operation_ == Operation::kList) return false;
  if (head_.status == 204) return true;
  return operation_ == Operation::kGetObject && (head_.is_success() || head_.status == 416);
}

bool SmallRequest::is_no_page() const {
  return operation_ == Operation::kList && !head_.is_of_store &&
         std::string_view(body_).substr(0, kMaxBytesBeforePage).find("ListBucketResult") ==
             std::string_view::npos;
}

void SmallRequest::settle(const AttemptLedger::Verdict& verdict) {
  if (verdict.retry) {
    owner_.on_retry(shared_from_this(), verdict.due);
  } else {
    owner_.on_finished(shared_from_this(), verdict.error);
  }
}

}  // namespace ossmc
