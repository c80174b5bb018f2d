#include "auth/credentials.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/csrc/fake_clock.h"

namespace ossmc {
namespace {

using namespace std::chrono_literals;

Credentials keys(std::string id, std::optional<double> expires = {}) {
  Credentials credentials;
  credentials.access_key_id = std::move(id);
  credentials.access_key_secret = "secret";
  credentials.expires_unix_seconds = expires;
  return credentials;
}

class CountingListener final : public CredentialsCache::Listener {
 public:
  void on_credentials_changed() override { ++calls; }
  std::atomic<int> calls{0};
};

class CredentialsCacheTest : public testing::Test {
 protected:
  // "id", "wait" or "error".
  std::string pulled() {
    const CredentialsCache::Pull pull = cache_.get();
    if (!pull.status.is_ok()) {
      EXPECT_EQ(pull.status.code(), StatusCode::kCredentials);
      EXPECT_EQ(pull.snapshot.credentials, nullptr);
      return "error";
    }
    return pull.snapshot.credentials ? pull.snapshot.credentials->access_key_id : "wait";
  }
  std::uint64_t generation() { return cache_.get().snapshot.generation; }
  // Asks for what is held, then whether the provider is to be asked, and takes the question.
  bool pull_asks() {
    (void)cache_.get();
    return take();
  }
  bool take() {
    const bool wanted = cache_.wants_answer();
    const bool taken = cache_.take_question() != 0;
    EXPECT_EQ(wanted, taken);
    EXPECT_FALSE(cache_.wants_answer()) << "one caller has it";
    return taken;
  }

  FakeClock clock_;
  CredentialsCache cache_{clock_, CredentialsCache::Options{}};
};

TEST_F(CredentialsCacheTest, WithoutKeysTheFirstCallerAsksAtOnce) {
  EXPECT_TRUE(cache_.wants_answer()) << "before any request found out";
  EXPECT_FALSE(cache_.holds_keys());
  EXPECT_EQ(pulled(), "wait");
  EXPECT_FALSE(cache_.awaits_answer());
  EXPECT_TRUE(take());
  EXPECT_TRUE(cache_.awaits_answer());
  cache_.put(keys("one"));
  EXPECT_FALSE(cache_.awaits_answer());
  EXPECT_TRUE(cache_.holds_keys());
  EXPECT_EQ(pulled(), "one");
  EXPECT_EQ(generation(), 1u);
  EXPECT_FALSE(take());
}

TEST_F(CredentialsCacheTest, OneCallInFlightAtATime) {
  EXPECT_EQ(pulled(), "wait");
  EXPECT_EQ(pulled(), "wait");
  EXPECT_TRUE(take());
  EXPECT_EQ(pulled(), "wait");
  EXPECT_FALSE(take());
}

TEST_F(CredentialsCacheTest, KeysMayBePutBeforeAnyoneAsks) {
  cache_.put(keys("one"));
  EXPECT_EQ(pulled(), "one");
  EXPECT_FALSE(take());
}

TEST_F(CredentialsCacheTest, TheGenerationGrowsWithTheKeysAlone) {
  cache_.put(keys("one", clock_.unix_seconds() + 100));
  EXPECT_EQ(generation(), 1u);
  cache_.put(keys("one", clock_.unix_seconds() + 3600));
  EXPECT_EQ(generation(), 1u);
  EXPECT_EQ(cache_.get().snapshot.credentials->expires_unix_seconds, clock_.unix_seconds() + 3600);
  Credentials with_token = keys("one");
  with_token.security_token = "token";
  cache_.put(with_token);
  EXPECT_EQ(generation(), 2u);
}

TEST_F(CredentialsCacheTest, KeysWithoutExpiryAreLookedAtAgain) {
  cache_.put(keys("one"));
  clock_.advance(59s);
  EXPECT_FALSE(pull_asks());
  clock_.advance(1s);
  EXPECT_TRUE(pull_asks());
  EXPECT_EQ(pulled(), "one");  // in use meanwhile
  cache_.put(keys("one"));
  EXPECT_FALSE(pull_asks());
  clock_.advance(60s);
  EXPECT_TRUE(pull_asks());
}

TEST_F(CredentialsCacheTest, AskedAheadOfExpiry) {
  cache_.put(keys("one", clock_.unix_seconds() + 3600));  // 300 s ahead: less than 15 % of 3600
  clock_.advance(3299s);
  EXPECT_FALSE(pull_asks());
  clock_.advance(1s);
  EXPECT_TRUE(pull_asks());
  EXPECT_EQ(pulled(), "one");
  cache_.put(keys("two", clock_.unix_seconds() + 1000));  // 150 s ahead: 15 %
  EXPECT_EQ(pulled(), "two");
  clock_.advance(849s);
  EXPECT_FALSE(pull_asks());
  clock_.advance(1s);
  EXPECT_TRUE(pull_asks());
}

TEST_F(CredentialsCacheTest, KeysThatExpireAreNotUsedBeforeTheProviderWasAsked) {
  cache_.put(keys("one", clock_.unix_seconds() + 100));
  clock_.advance(100s);
  EXPECT_EQ(pulled(), "wait");
  EXPECT_TRUE(take());
  cache_.put(keys("two", clock_.unix_seconds() + 1));
  EXPECT_EQ(pulled(), "two");
}

TEST_F(CredentialsCacheTest, TheStoreDecidesOnceAboutKeysThatSeemToHaveExpired) {
  for (const double expired : {clock_.unix_seconds(), clock_.unix_seconds() - 5,
                               std::numeric_limits<double>::quiet_NaN()}) {
    const std::string id = "until " + std::to_string(expired);
    cache_.put(keys(id, expired));
    EXPECT_EQ(pulled(), id);
    cache_.put(keys(id, expired));
    EXPECT_EQ(pulled(), id);  // as long as the store takes them
    EXPECT_FALSE(cache_.report_refused(generation()));
    EXPECT_TRUE(take());
    cache_.put(keys(id, expired));
    EXPECT_EQ(pulled(), "error");
    EXPECT_NE(cache_.get().status.message().find("the server has refused"), std::string::npos);
    clock_.advance(2s);
    EXPECT_EQ(pulled(), "wait");  // for the provider, which is asked again
    EXPECT_TRUE(take());
  }
  cache_.put(keys("good", clock_.unix_seconds() + 100));
  EXPECT_EQ(pulled(), "good");
}

TEST_F(CredentialsCacheTest, TheStoreDecidesAlsoWhileTheProviderFails) {
  cache_.put(keys("one", clock_.unix_seconds() + 100));
  clock_.advance(100s);
  EXPECT_EQ(pulled(), "wait");
  EXPECT_TRUE(take());
  cache_.put_failure("vault is sealed");
  EXPECT_EQ(pulled(), "one");
  EXPECT_FALSE(cache_.report_refused(generation()));
  EXPECT_TRUE(take());
  cache_.put_failure("vault is sealed");
  EXPECT_EQ(pulled(), "error");
}

TEST_F(CredentialsCacheTest, GoodKeysAreNotReplacedByExpiredOnes) {
  cache_.put(keys("good", clock_.unix_seconds() + 100));
  cache_.put(keys("old", clock_.unix_seconds() - 100));
  EXPECT_EQ(pulled(), "good");
}

TEST_F(CredentialsCacheTest, ExpiryFollowsTheWallClock) {
  cache_.put(keys("one", clock_.unix_seconds() + 3600));
  clock_.set_unix_seconds(clock_.unix_seconds() + 4000);
  EXPECT_EQ(pulled(), "wait");
  EXPECT_TRUE(take());
}

TEST_F(CredentialsCacheTest, ANearExpiryIsNotAskedAboutWithoutEnd) {
  const double expires = clock_.unix_seconds() + 10;
  int asked = 0;
  cache_.put(keys("one", expires));
  for (int tenths = 0; tenths < 100; ++tenths) {
    if (pull_asks()) {
      ++asked;
      cache_.put(keys("one", expires));
    }
    clock_.advance(100ms);
  }
  EXPECT_LE(asked, 4);
  EXPECT_EQ(pulled(), "wait");
}

TEST_F(CredentialsCacheTest, ExpiriesInTheFarFuture) {
  cache_.put(keys("one", 1e300));
  EXPECT_EQ(pulled(), "one");
  cache_.put(keys("two", std::numeric_limits<double>::infinity()));
  EXPECT_EQ(pulled(), "two");
  clock_.advance(24h);
  EXPECT_FALSE(pull_asks());
}

TEST_F(CredentialsCacheTest, AFailureLeavesUsableKeysInUse) {
  cache_.put(keys("one", clock_.unix_seconds() + 3600));
  clock_.advance(3400s);
  EXPECT_TRUE(pull_asks());
  cache_.put_failure("metadata service: timed out");
  EXPECT_EQ(pulled(), "one");
  EXPECT_FALSE(take()) << "not again at once";
  clock_.advance(5s);
  EXPECT_TRUE(pull_asks());
  cache_.put(keys("", {}));  // no better
  EXPECT_EQ(pulled(), "one");
  clock_.advance(195s);
  EXPECT_EQ(pulled(), "wait");
}

TEST_F(CredentialsCacheTest, AFailureWithNothingUsableIsAnErrorForAMoment) {
  EXPECT_EQ(pulled(), "wait");
  EXPECT_TRUE(take());
  cache_.put_failure("KeyError:\n'ALIBABA'");
  const CredentialsCache::Pull pull = cache_.get();
  EXPECT_EQ(pull.status.code(), StatusCode::kCredentials);
  EXPECT_NE(pull.status.message().find("KeyError:\\n'ALIBABA'"), std::string::npos)
      << pull.status.message();
  EXPECT_FALSE(take());
  // Later requests are worth a new question, and wait for its answer.
  clock_.advance(1s);
  EXPECT_EQ(pulled(), "wait");
  EXPECT_TRUE(take());
  cache_.put(keys("one"));
  EXPECT_EQ(pulled(), "one");
}

TEST_F(CredentialsCacheTest, EmptyKeysAreAFailure) {
  EXPECT_EQ(pulled(), "wait");
  EXPECT_TRUE(take());
  cache_.put(Credentials{});
  EXPECT_EQ(pulled(), "error");
  Credentials anonymous;
  anonymous.anonymous = true;
  cache_.put(anonymous);
  EXPECT_TRUE(cache_.get().snapshot.credentials->anonymous);
}

TEST_F(CredentialsCacheTest, NoAnswerInTimeIsAnError) {
  EXPECT_EQ(pulled(), "wait");
  EXPECT_TRUE(take());
  clock_.advance(9999ms);
  EXPECT_EQ(pulled(), "wait");
  clock_.advance(1ms);
  EXPECT_EQ(pulled(), "error");
  EXPECT_FALSE(take()) << "the call still runs";
  cache_.put(keys("late"));
  EXPECT_EQ(pulled(), "late");
}

TEST_F(CredentialsCacheTest, WhereNobodyCallsNothingIsAskedAndNothingFails) {
  EXPECT_EQ(pulled(), "wait");
  clock_.advance(10s);
  EXPECT_EQ(pulled(), "wait");
  EXPECT_TRUE(take());
  cache_.put(keys("one"));
  EXPECT_EQ(pulled(), "one");
}

TEST_F(CredentialsCacheTest, ARefusalAsksAndIsSettledByNewKeys) {
  cache_.put(keys("one"));
  EXPECT_FALSE(cache_.report_refused(1));
  EXPECT_TRUE(cache_.wants_answer());
  EXPECT_FALSE(cache_.refresh_settled(1));
  EXPECT_TRUE(take());
  EXPECT_FALSE(cache_.refresh_settled(1));
  cache_.put(keys("two"));
  EXPECT_TRUE(cache_.refresh_settled(1));
  EXPECT_EQ(generation(), 2u);
  // Requests signed before learn it at once, without another call.
  EXPECT_TRUE(cache_.report_refused(1));
  EXPECT_FALSE(take());
}

TEST_F(CredentialsCacheTest, ARefusalIsSettledByTheSameKeysOrAFailure) {
  cache_.put(keys("one"));
  EXPECT_FALSE(cache_.report_refused(1));
  EXPECT_TRUE(take());
  cache_.put(keys("one"));
  EXPECT_TRUE(cache_.refresh_settled(1));
  EXPECT_EQ(generation(), 1u);
  // The next refusal is worth the next question.
  EXPECT_FALSE(cache_.report_refused(1));
  EXPECT_FALSE(cache_.refresh_settled(1));
  EXPECT_TRUE(take());
  cache_.put_failure("no");
  EXPECT_TRUE(cache_.refresh_settled(1));
  EXPECT_EQ(pulled(), "one");
}

TEST_F(CredentialsCacheTest, ManyRefusalsShareOneCall) {
  cache_.put(keys("one"));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(cache_.report_refused(1));
  EXPECT_TRUE(take());
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(cache_.report_refused(1));
  EXPECT_FALSE(take());
  cache_.put(keys("one"));
  EXPECT_TRUE(cache_.refresh_settled(1));
  EXPECT_FALSE(take());
}

TEST_F(CredentialsCacheTest, ACallBegunBeforeTheRefusalDoesNotSettleIt) {
  cache_.put(keys("one"));
  clock_.advance(60s);
  EXPECT_TRUE(pull_asks());  // a look by routine, under way
  EXPECT_FALSE(cache_.report_refused(1));
  cache_.put(keys("one"));  // its answer may be older than the refusal
  EXPECT_FALSE(cache_.refresh_settled(1));
  EXPECT_TRUE(take());
  cache_.put(keys("one"));
  EXPECT_TRUE(cache_.refresh_settled(1));

  clock_.advance(60s);
  EXPECT_TRUE(pull_asks());
  EXPECT_FALSE(cache_.report_refused(1));
  cache_.put(keys("two"));  // new keys settle it all the same
  EXPECT_TRUE(cache_.refresh_settled(1));
  EXPECT_FALSE(take());
}

TEST_F(CredentialsCacheTest, ARefusalIsNotWaitedForForEver) {
  cache_.put(keys("one"));
  EXPECT_FALSE(cache_.report_refused(1));
  clock_.advance(20s);
  EXPECT_FALSE(cache_.refresh_settled(1)) << "nobody has asked";
  EXPECT_TRUE(take());
  EXPECT_TRUE(cache_.awaits_answer());
  clock_.advance(9s);
  EXPECT_FALSE(cache_.report_refused(1));  // others must not make the first wait longer
  EXPECT_FALSE(cache_.refresh_settled(1));
  clock_.advance(1s);
  EXPECT_TRUE(cache_.refresh_settled(1));
}

TEST_F(CredentialsCacheTest, AQuestionThatIsGivenUpIsTheNextCallers) {
  const std::uint64_t first = cache_.take_question();
  EXPECT_NE(first, 0u);
  EXPECT_EQ(cache_.take_question(), 0u);
  cache_.give_up(first);
  EXPECT_EQ(pulled(), "wait") << "that is no failure";
  const std::uint64_t second = cache_.take_question();
  EXPECT_NE(second, 0u);
  cache_.give_up(first);  // late: it is another caller's now
  EXPECT_EQ(cache_.take_question(), 0u);
  cache_.put(keys("one"));
  cache_.give_up(second);  // it was answered
  EXPECT_FALSE(cache_.wants_answer());
}

TEST_F(CredentialsCacheTest, KeysThatEndedWhileNobodyCalledAreAskedForByTheNextCaller) {
  cache_.put(keys("one", clock_.unix_seconds() + 100));
  clock_.advance(3600s);
  EXPECT_TRUE(cache_.wants_answer()) << "no request has looked yet";
  EXPECT_FALSE(cache_.holds_keys());
  EXPECT_TRUE(take());
}

TEST_F(CredentialsCacheTest, TheListenerHearsOfEveryAnswer) {
  CountingListener listener;
  cache_.set_listener(&listener);
  EXPECT_EQ(pulled(), "wait");
  EXPECT_EQ(listener.calls, 0);
  cache_.put(keys("one"));
  EXPECT_EQ(listener.calls, 1);
  cache_.put(keys("one"));
  EXPECT_EQ(listener.calls, 2);
  cache_.put_failure("no");
  EXPECT_EQ(listener.calls, 3);
  cache_.set_listener(nullptr);
  cache_.put(keys("two"));
  EXPECT_EQ(listener.calls, 3);
}

TEST(FixedCredentials, AreHeldForGood) {
  FakeClock clock;
  const auto cache = CredentialsCache::make_fixed(clock, keys("fixed"));
  clock.advance(100h);
  EXPECT_EQ(cache->get().snapshot.credentials->access_key_id, "fixed");
  EXPECT_EQ(cache->get().snapshot.generation, 1u);
  EXPECT_FALSE(cache->report_refused(1));
  EXPECT_TRUE(cache->refresh_settled(1));
  cache->put(keys("other"));
  cache->put_failure("no");
  EXPECT_EQ(cache->get().snapshot.credentials->access_key_id, "fixed");
  EXPECT_FALSE(cache->wants_answer());
  EXPECT_EQ(cache->take_question(), 0u);
}

TEST(FixedCredentials, AreForTheStoreToJudge) {
  FakeClock clock;
  const auto cache = CredentialsCache::make_fixed(clock, keys("fixed", clock.unix_seconds() + 10));
  clock.advance(10s);
  EXPECT_TRUE(cache->get().status.is_ok());
}

TEST(CredentialsCacheThreads, PullersRefusersAndOneWhoAsks) {
  FakeClock clock;
  CredentialsCache cache(clock, CredentialsCache::Options{});
  CountingListener listener;
  cache.set_listener(&listener);
  std::atomic<bool> stop{false};
  std::atomic<int> asked{0};
  std::thread asker([&] {
    while (!stop) {
      if (!(cache.take_question() != 0)) {
        std::this_thread::yield();
        continue;
      }
      const int n = ++asked;
      if (n % 5 == 0) {
        cache.put_failure("now and then");
      } else {
        cache.put(keys("key" + std::to_string(n / 2)));
      }
    }
  });
  std::vector<std::thread> pullers;
  pullers.reserve(3);
  for (int t = 0; t < 3; ++t) {
    pullers.emplace_back([&] {
      std::uint64_t last = 0;
      for (int i = 0; i < 3000; ++i) {
        const CredentialsCache::Pull pull = cache.get();
        if (pull.snapshot.credentials == nullptr) {
          std::this_thread::yield();
          continue;
        }
        EXPECT_GE(pull.snapshot.generation, last);
        last = pull.snapshot.generation;
        if (i % 7 == 0) cache.report_refused(last);
        (void)cache.refresh_settled(last);
        clock.advance(10ms);
      }
    });
  }
  for (std::thread& thread : pullers) thread.join();
  stop = true;
  asker.join();
  cache.set_listener(nullptr);
  EXPECT_EQ(listener.calls, asked);
}

}  // namespace
}  // namespace ossmc
