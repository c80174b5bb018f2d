// AttemptLedger: the attempts of one request, and the decision after each failure: again, when, or
// give up and say why.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "fetch/fetch_context.h"
#include "protocol/error_reply.h"
#include "transfer/exchange.h"

namespace ossmc {

// One for each chunk or small request, from its first attempt to its end. Used by one thread at a
// time (the I/O thread that runs the request). Progress never refunds attempts.
class AttemptLedger {
 public:
  // `what` opens every error text, for example "GET oss://b/k bytes 0-99".
  AttemptLedger(FetchContext& context, std::string what, std::string uri);

  // An attempt starts, signed with credentials of that generation.
  void begin(std::uint64_t credentials_generation);

  struct Verdict {
    bool retry = false;
    TimePoint due{};  // with retry
    Status error;     // without
  };
  Verdict on_failure(const Failure& failure);
  // The exchange broke below HTTP. REQUIRES: outcome.error is one of the transport's own (not
  // kAborted, kCancelled).
  Verdict on_transport_error(const ExchangeOutcome& outcome);
  void on_success();

  // After a reply that refused the credentials: true once the provider has answered for it. Ask
  // before the next attempt.
  bool may_start(Status* give_up);

  void set_what(std::string what) { what_ = std::move(what); }
  int attempts() const { return attempts_; }
  // `status` with what was asked, how often and for how long put before its text.
  Status describe(const Status& status) const;

 private:
  Verdict give_up(const Status& status) const { return {false, {}, describe(status)}; }

  FetchContext& context_;
  std::string what_;
  const std::string uri_;
  const TimePoint started_at_;
  int attempts_ = 0;
  int uncounted_retries_ = 0;
  std::uint64_t generation_ = 0;
  bool credentials_retried_ = false;
  bool clock_corrected_ = false;
  bool waits_for_credentials_ = false;
  Status credentials_error_;
};

}  // namespace ossmc
