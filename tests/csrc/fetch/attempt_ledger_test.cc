#include "fetch/attempt_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/csrc/fetch_parts.h"

namespace ossmc {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Failure failure(RetryClass retry, StatusCode code = StatusCode::kServer) {
  ErrorDetail detail;
  detail.http_status = 500;
  detail.request_id = "REQ";
  return {Status(code, "why", detail), retry, {}};
}

ExchangeOutcome broken(TransportError error, bool reused = false, bool any_byte = false) {
  ExchangeOutcome outcome;
  outcome.error = error;
  outcome.text = "words of the transport";
  outcome.reused_connection = reused;
  outcome.any_reply_byte = any_byte;
  return outcome;
}

class AttemptLedgerTest : public testing::Test {
 protected:
  AttemptLedger make() {
    return AttemptLedger(parts_.context, "GET oss://b/k bytes [0, 9)", "oss://b/k");
  }
  // Credentials that a provider gives, instead of fixed ones.
  static std::unique_ptr<CredentialsCache> refreshed_cache(const Clock& clock) {
    return std::make_unique<CredentialsCache>(clock, CredentialsCache::Options{});
  }

  FetchParts parts_;
};

TEST_F(AttemptLedgerTest, GivesUpAfterTheLastAttempt) {
  AttemptLedger ledger = make();
  for (int attempt = 1; attempt < 6; ++attempt) {
    ledger.begin(1);
    const AttemptLedger::Verdict verdict = ledger.on_failure(failure(RetryClass::kTransient));
    ASSERT_TRUE(verdict.retry) << attempt;
    EXPECT_GE(verdict.due, parts_.clock.now());
    EXPECT_LT(verdict.due,
              parts_.clock.now() + std::chrono::milliseconds(200) * (1 << (attempt - 1)));
  }
  ledger.begin(1);
  parts_.clock.advance(std::chrono::milliseconds(3210));
  const AttemptLedger::Verdict verdict = ledger.on_failure(failure(RetryClass::kTransient));
  EXPECT_FALSE(verdict.retry);
  EXPECT_EQ(verdict.error.code(), StatusCode::kServer);
  EXPECT_EQ(verdict.error.message(),
            "GET oss://b/k bytes [0, 9) failed after 6 attempts in 3.2 s: why");
  EXPECT_EQ(verdict.error.detail().attempts, 6);
  EXPECT_EQ(verdict.error.detail().uri, "oss://b/k");
  EXPECT_EQ(verdict.error.detail().http_status, 500);
  EXPECT_EQ(verdict.error.detail().request_id, "REQ");
  EXPECT_EQ(load(parts_.counters.retries), 5u);
  EXPECT_EQ(load(parts_.counters.throttles), 0u);
}

TEST_F(AttemptLedgerTest, PermanentErrorsAreNotRetried) {
  AttemptLedger ledger = make();
  ledger.begin(1);
  const AttemptLedger::Verdict verdict =
      ledger.on_failure(failure(RetryClass::kNever, StatusCode::kObjectNotFound));
  EXPECT_FALSE(verdict.retry);
  EXPECT_THAT(verdict.error.message(), HasSubstr("after 1 attempt in"));
  EXPECT_EQ(parts_.quota.available(), RetryQuota::kCapacity);
}

TEST_F(AttemptLedgerTest, ThrottledRetriesAreCountedAndSpendLess) {
  AttemptLedger ledger = make();
  ledger.begin(1);
  EXPECT_TRUE(ledger.on_failure(failure(RetryClass::kThrottled, StatusCode::kThrottled)).retry);
  EXPECT_EQ(load(parts_.counters.throttles), 1u);
  EXPECT_EQ(parts_.quota.available(), RetryQuota::kCapacity - RetryQuota::kThrottledCost);
  ledger.on_success();
  EXPECT_EQ(parts_.quota.available(), RetryQuota::kCapacity - RetryQuota::kThrottledCost + 1);
}

TEST_F(AttemptLedgerTest, TheServersRetryAfterIsWaitedFor) {
  AttemptLedger ledger = make();
  ledger.begin(1);
  Failure asked = failure(RetryClass::kThrottled, StatusCode::kThrottled);
  asked.retry_after_seconds = 5;
  const AttemptLedger::Verdict verdict = ledger.on_failure(asked);
  ASSERT_TRUE(verdict.retry);
  EXPECT_GE(verdict.due, parts_.clock.now() + std::chrono::seconds(5));
  EXPECT_LT(verdict.due, parts_.clock.now() + std::chrono::seconds(6));
}

TEST_F(AttemptLedgerTest, AnEmptyQuotaEndsRetriesAndSaysSo) {
  while (parts_.quota.try_spend(RetryClass::kTransient)) {
  }
  AttemptLedger ledger = make();
  ledger.begin(1);
  const AttemptLedger::Verdict verdict = ledger.on_failure(failure(RetryClass::kTransient));
  EXPECT_FALSE(verdict.retry);
  EXPECT_THAT(verdict.error.message(), AllOf(HasSubstr("why"), HasSubstr("retry quota is spent")));
  EXPECT_EQ(verdict.error.detail().http_status, 500);
}

// What the system refused says nothing of the store: a process with few descriptors spent the
// quota.
TEST_F(AttemptLedgerTest, AShortageThatMayPassSpendsNothing) {
  AttemptLedger ledger = make();
  ExchangeOutcome outcome = broken(TransportError::kNoDescriptor);
  outcome.may_pass = true;
  for (int i = 0; i < 100; ++i) {
    ledger.begin(1);
    const AttemptLedger::Verdict verdict = ledger.on_transport_error(outcome);
    ASSERT_TRUE(verdict.retry);
    EXPECT_EQ(verdict.due, parts_.clock.now()) << "another thread may have a connection for it";
  }
  EXPECT_EQ(ledger.attempts(), 0);
  EXPECT_EQ(parts_.quota.available(), RetryQuota::kCapacity);
  EXPECT_EQ(load(parts_.counters.retries), 0u);
}

TEST_F(AttemptLedgerTest, AShortageThatDoesNotPassIsTheEnd) {
  AttemptLedger ledger = make();
  ledger.begin(1);
  const AttemptLedger::Verdict verdict =
      ledger.on_transport_error(broken(TransportError::kNoDescriptor));
  EXPECT_FALSE(verdict.retry);
  EXPECT_EQ(verdict.error.code(), StatusCode::kConnect);
  EXPECT_THAT(verdict.error.message(), HasSubstr("after 1 attempt in"));
  EXPECT_EQ(parts_.quota.available(), RetryQuota::kCapacity);
}

TEST_F(AttemptLedgerTest, ClockSkewIsCorrectedOnce) {
  AttemptLedger ledger = make();
  ledger.begin(1);
  Failure skew = failure(RetryClass::kClockSkew, StatusCode::kAccessDenied);
  skew.server_unix_seconds = parts_.clock.unix_seconds() + 3600;
  const AttemptLedger::Verdict verdict = ledger.on_failure(skew);
  ASSERT_TRUE(verdict.retry);
  EXPECT_EQ(verdict.due, parts_.clock.now());
  EXPECT_EQ(parts_.quota.available(), RetryQuota::kCapacity);
  // The next request is signed with the server's time: 1700003600 is 23:13:20.
  const Result<SignedRequest> built = parts_.builder.build(head_request({"bucket", "k"}));
  ASSERT_TRUE(built.is_ok());
  std::string date;
  for (const NameValue& header : built.value().http.headers) {
    if (header.name == "Date" || header.name == "date" || header.name == "x-oss-date")
      date = header.value;
  }
  EXPECT_THAT(date, HasSubstr("23:13:20"));
  ledger.begin(1);
  EXPECT_FALSE(ledger.on_failure(skew).retry);
}

TEST_F(AttemptLedgerTest, ClockSkewWithoutTheServersTimeIsFinal) {
  AttemptLedger ledger = make();
  ledger.begin(1);
  EXPECT_FALSE(ledger.on_failure(failure(RetryClass::kClockSkew, StatusCode::kAccessDenied)).retry);
}

TEST_F(AttemptLedgerTest, FixedCredentialsThatAreRefusedAreFinal) {
  AttemptLedger ledger = make();
  ledger.begin(1);
  const AttemptLedger::Verdict verdict =
      ledger.on_failure(failure(RetryClass::kCredentials, StatusCode::kCredentials));
  ASSERT_TRUE(verdict.retry);
  Status give_up;
  EXPECT_TRUE(ledger.may_start(&give_up));
  EXPECT_EQ(give_up.code(), StatusCode::kCredentials);
  EXPECT_THAT(give_up.message(),
              AllOf(HasSubstr("GET oss://b/k"), HasSubstr("why"), HasSubstr("1 attempt ")));
  EXPECT_EQ(give_up.detail().http_status, 500);
}

TEST_F(AttemptLedgerTest, RefusedCredentialsWaitForTheProviderOnce) {
  FakeClock clock;
  FetchParts parts(refreshed_cache(clock));
  CredentialsCache& cache = *parts.credentials;
  cache.put(test_credentials());
  AttemptLedger ledger(parts.context, "GET x", "oss://b/k");
  Status give_up;
  EXPECT_TRUE(ledger.may_start(&give_up));
  const std::uint64_t generation = cache.get().snapshot.generation;
  ledger.begin(generation);
  ASSERT_TRUE(ledger.on_failure(failure(RetryClass::kCredentials, StatusCode::kCredentials)).retry);
  EXPECT_FALSE(ledger.may_start(&give_up));  // the provider has not answered
  ASSERT_NE(cache.take_question(), 0u);
  EXPECT_FALSE(ledger.may_start(&give_up));
  Credentials renewed = test_credentials();
  renewed.access_key_secret = "another";
  cache.put(renewed);
  EXPECT_TRUE(ledger.may_start(&give_up));
  EXPECT_TRUE(give_up.is_ok()) << give_up.message();
  // Refused again: final, whatever the provider would say.
  ledger.begin(cache.get().snapshot.generation);
  EXPECT_FALSE(
      ledger.on_failure(failure(RetryClass::kCredentials, StatusCode::kCredentials)).retry);
  EXPECT_EQ(ledger.attempts(), 2);
}

TEST_F(AttemptLedgerTest, ReplacedCredentialsAreTriedAtOnce) {
  FakeClock clock;
  FetchParts parts(refreshed_cache(clock));
  CredentialsCache& cache = *parts.credentials;
  cache.put(test_credentials());
  AttemptLedger ledger(parts.context, "GET x", "oss://b/k");
  ledger.begin(cache.get().snapshot.generation);
  Credentials renewed = test_credentials();
  renewed.access_key_secret = "another";
  cache.put(renewed);  // meanwhile, for another request
  const AttemptLedger::Verdict verdict =
      ledger.on_failure(failure(RetryClass::kCredentials, StatusCode::kCredentials));
  ASSERT_TRUE(verdict.retry);
  EXPECT_EQ(verdict.due, parts.clock.now());
  Status give_up;
  EXPECT_TRUE(ledger.may_start(&give_up));
  EXPECT_TRUE(give_up.is_ok());
}

TEST_F(AttemptLedgerTest, TheSameKeysFromTheProviderAreFinal) {
  FakeClock clock;
  FetchParts parts(refreshed_cache(clock));
  CredentialsCache& cache = *parts.credentials;
  cache.put(test_credentials());
  AttemptLedger ledger(parts.context, "GET x", "oss://b/k");
  ledger.begin(cache.get().snapshot.generation);
  ASSERT_TRUE(ledger.on_failure(failure(RetryClass::kCredentials, StatusCode::kCredentials)).retry);
  ASSERT_NE(cache.take_question(), 0u);
  cache.put(test_credentials());
  Status give_up;
  EXPECT_TRUE(ledger.may_start(&give_up));
  EXPECT_EQ(give_up.code(), StatusCode::kCredentials);
  EXPECT_THAT(give_up.message(), HasSubstr("why"));
}

TEST_F(AttemptLedgerTest, AResetOfAnIdleConnectionIsNotCounted) {
  AttemptLedger ledger = make();
  for (int i = 0; i < 4; ++i) {
    ledger.begin(1);
    const AttemptLedger::Verdict verdict =
        ledger.on_transport_error(broken(TransportError::kReset, true));
    ASSERT_TRUE(verdict.retry);
    EXPECT_EQ(verdict.due, parts_.clock.now());
    EXPECT_EQ(ledger.attempts(), 0);
  }
  EXPECT_EQ(parts_.quota.available(), RetryQuota::kCapacity);
  // A whole pool of them is something else.
  ledger.begin(1);
  EXPECT_TRUE(ledger.on_transport_error(broken(TransportError::kReset, true)).retry);
  EXPECT_EQ(ledger.attempts(), 1);
  EXPECT_EQ(parts_.quota.available(), RetryQuota::kCapacity - RetryQuota::kTransientCost);
}

TEST_F(AttemptLedgerTest, OtherBreaksAreCounted) {
  const ExchangeOutcome outcomes[] = {broken(TransportError::kReset, false, false),
                                      broken(TransportError::kReset, true, true),
                                      broken(TransportError::kStalled, true),
                                      broken(TransportError::kDns),
                                      broken(TransportError::kConnect),
                                      broken(TransportError::kOther)};
  for (const ExchangeOutcome& outcome : outcomes) {
    AttemptLedger ledger = make();
    ledger.begin(1);
    EXPECT_TRUE(ledger.on_transport_error(outcome).retry);
    EXPECT_EQ(ledger.attempts(), 1);
  }
}

TEST_F(AttemptLedgerTest, BreaksAreNamedByTheirKind) {
  parts_.context.retry.max_attempts = 1;
  const std::pair<TransportError, StatusCode> kinds[] = {
      {TransportError::kStalled, StatusCode::kTransferTimeout},
      {TransportError::kDns, StatusCode::kConnect},
      {TransportError::kConnect, StatusCode::kConnect},
      {TransportError::kReset, StatusCode::kConnect},
      {TransportError::kTls, StatusCode::kConnect},
      {TransportError::kNoDescriptor, StatusCode::kConnect},
      {TransportError::kNoMemory, StatusCode::kMemoryBudget},
      {TransportError::kOther, StatusCode::kConnect}};
  for (const auto& [error, code] : kinds) {
    AttemptLedger ledger = make();
    ledger.begin(1);
    const AttemptLedger::Verdict verdict = ledger.on_transport_error(broken(error));
    EXPECT_FALSE(verdict.retry);
    EXPECT_EQ(verdict.error.code(), code);
    EXPECT_THAT(verdict.error.message(), HasSubstr("words of the transport"));
  }
}

TEST_F(AttemptLedgerTest, TlsErrorsAreNeverRetried) {
  AttemptLedger ledger = make();
  ledger.begin(1);
  EXPECT_FALSE(ledger.on_transport_error(broken(TransportError::kTls)).retry);
}

}  // namespace
}  // namespace ossmc
