#include "fetch/attempt_ledger.h"

#include <cstdio>
#include <utility>

namespace ossmc {

namespace {

// A server may close an idle connection at the moment we reuse it; such a failure says nothing
// about the request.
constexpr int kMaxUncountedRetries = 4;

StatusCode code_of(TransportError error) {
  switch (error) {
    case TransportError::kStalled:
      return StatusCode::kTransferTimeout;
    case TransportError::kNoMemory:
      return StatusCode::kMemoryBudget;
    default:
      return StatusCode::kConnect;
  }
}

}  // namespace

AttemptLedger::AttemptLedger(FetchContext& context, std::string what, std::string uri)
    : context_(context),
      what_(std::move(what)),
      uri_(std::move(uri)),
      started_at_(context.clock.now()) {}

void AttemptLedger::begin(std::uint64_t credentials_generation) {
  ++attempts_;
  generation_ = credentials_generation;
}

void AttemptLedger::on_success() { context_.quota.earn(); }

AttemptLedger::Verdict AttemptLedger::on_failure(const Failure& failure) {
  const TimePoint now = context_.clock.now();
  switch (failure.retry) {
    case RetryClass::kNever:
      return give_up(failure.status);
    case RetryClass::kClockSkew:
      if (clock_corrected_ || !failure.server_unix_seconds.has_value())
        return give_up(failure.status);
      clock_corrected_ = true;
      context_.builder.set_server_time(*failure.server_unix_seconds);
      add(context_.counters.retries);
      return {true, now, {}};
    case RetryClass::kCredentials:
      if (credentials_retried_) return give_up(failure.status);
      credentials_retried_ = true;
      add(context_.counters.retries);
      if (context_.builder.credentials().report_refused(generation_)) return {true, now, {}};
      waits_for_credentials_ = true;
      credentials_error_ = failure.status;
      return {true, now + kCredentialsPoll, {}};
    case RetryClass::kTransient:
    case RetryClass::kThrottled:
      break;
  }
  if (failure.retry == RetryClass::kThrottled) add(context_.counters.throttles);
  if (attempts_ >= context_.retry.max_attempts) return give_up(failure.status);
  if (!context_.quota.try_spend(failure.retry)) {
    return give_up(
        Status(failure.status.code(),
               failure.status.message() + " (no retry: this connector's retry quota is spent)",
               failure.status.detail()));
  }
  add(context_.counters.retries);
  const Duration wait = backoff(context_.retry, failure.retry, attempts_,
                                failure.retry_after_seconds, context_.random);
  return {true, now + wait, {}};
}

AttemptLedger::Verdict AttemptLedger::on_transport_error(const ExchangeOutcome& outcome) {
  ErrorDetail detail;
  detail.os_errno = outcome.os_errno;
  const Status status(code_of(outcome.error), outcome.text, std::move(detail));
  if (outcome.error == TransportError::kTls) return give_up(status);
  if (is_shortage(outcome.error)) {
    if (!outcome.may_pass) return give_up(status);
    // Nothing was asked of the store. The I/O thread that was refused waits before it takes it
    // again; another one may have a connection for it.
    --attempts_;
    return {true, context_.clock.now(), {}};
  }
  if (outcome.error == TransportError::kReset && outcome.reused_connection &&
      !outcome.any_reply_byte && uncounted_retries_ < kMaxUncountedRetries) {
    ++uncounted_retries_;
    --attempts_;
    return {true, context_.clock.now(), {}};
  }
  return on_failure(Failure{status, RetryClass::kTransient, {}});
}

bool AttemptLedger::may_start(Status* give_up_status) {
  if (!waits_for_credentials_) return true;
  CredentialsCache& credentials = context_.builder.credentials();
  if (!credentials.refresh_settled(generation_)) return false;
  waits_for_credentials_ = false;
  const CredentialsCache::Pull pull = credentials.get();
  if (!pull.status.is_ok()) {
    // What the server said comes first: it has the code and the request id.
    *give_up_status =
        describe(Status(credentials_error_.code(),
                        credentials_error_.message() + "; then: " + pull.status.message(),
                        credentials_error_.detail()));
  } else if (pull.snapshot.generation == generation_) {
    *give_up_status = describe(credentials_error_);  // the provider gave the same keys again
  }
  return true;
}

Status AttemptLedger::describe(const Status& status) const {
  const double elapsed =
      std::chrono::duration_cast<std::chrono::duration<double>>(context_.clock.now() - started_at_)
          .count();
  char tail[64];
  std::snprintf(tail, sizeof tail, " failed after %d attempt%s in %.1f s: ", attempts_,
                attempts_ == 1 ? "" : "s", elapsed);
  ErrorDetail detail = status.detail();
  detail.uri = uri_;
  detail.attempts = attempts_;
  return Status(status.code(), what_ + tail + status.message(), std::move(detail));
}

}  // namespace ossmc
