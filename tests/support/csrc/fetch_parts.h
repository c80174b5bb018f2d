// FetchParts: what a FetchContext refers to, put together for a test: a clock by hand, seeded
// chance, one key pair.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "fetch/fetch_context.h"
#include "support/csrc/fake_clock.h"

namespace ossmc {

inline constexpr char kTestKeyId[] = "LTAI-test-key-id";
inline constexpr char kTestKeySecret[] = "s3cr3t-of-the-test";
inline constexpr char kTestToken[] = "t0ken-of-the-test";

inline Credentials test_credentials() {
  Credentials credentials;
  credentials.access_key_id = kTestKeyId;
  credentials.access_key_secret = kTestKeySecret;
  credentials.security_token = kTestToken;
  return credentials;
}

// Seeded chance. A test may have something happen where a number is drawn.
class TestRandom final : public Random {
 public:
  double uniform() override {
    if (on_uniform) on_uniform();
    return seeded_->uniform();
  }
  std::function<void()> on_uniform;

 private:
  std::unique_ptr<Random> seeded_ = make_seeded_random(7);
};

// Signs V1 for http://127.0.0.1:9000, path style. `cache`: null gives fixed test_credentials().
struct FetchParts {
  explicit FetchParts(std::unique_ptr<CredentialsCache> cache = nullptr)
      : credentials(cache != nullptr ? std::move(cache)
                                     : CredentialsCache::make_fixed(clock, test_credentials())),
        builder(builder_options(), *credentials, clock) {}

  static RequestBuilderOptions builder_options() {
    RequestBuilderOptions options;
    options.endpoint.scheme = Scheme::kHttp;
    options.endpoint.host = "127.0.0.1";
    options.endpoint.port = 9000;
    options.endpoint.is_ip = true;
    options.addressing = Addressing::kPath;
    options.signing.version = SignatureVersion::kV1;
    return options;
  }

  FakeClock clock;
  TestRandom random;
  Counters counters;
  RetryQuota quota;
  std::unique_ptr<CredentialsCache> credentials;
  RequestBuilder builder;
  StoreEvidence store{builder.endpoint()};
  FetchContext context{clock, random, counters, builder, quota, store, {}, true};
};

}  // namespace ossmc
