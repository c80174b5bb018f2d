// RequestBuilder: from the store's words to a signed HTTP request, late: at the moment the exchange
// starts, so that date and credentials are fresh on every attempt.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "auth/credentials.h"
#include "auth/signer.h"
#include "base/clock.h"
#include "protocol/endpoint.h"
#include "protocol/store_request.h"

namespace ossmc {

struct SignedRequest {
  HttpRequest http;
  std::uint64_t credentials_generation = 0;
};

struct RequestBuilderOptions {
  Endpoint endpoint;
  Addressing addressing = Addressing::kVirtual;
  SigningOptions signing;
  std::vector<NameValue> extra_headers;  // of the configuration; x-oss-* ones get signed
};

// Thread-safe. Owned by the engine; `credentials` and `clock` outlive it.
class RequestBuilder {
 public:
  RequestBuilder(RequestBuilderOptions options, CredentialsCache& credentials, const Clock& clock);

  // Credentials are there, or will never come (build() then says why). False: asked for, come back.
  bool credentials_settled() const;
  // kCredentials: none usable. Null credentials cannot happen after credentials_settled() was true,
  // save by a race that is reported as kCredentials too.
  Result<SignedRequest> build(StoreRequest request) const;

  // The server's clock differs from ours (learnt from a clock-skew reply).
  void set_server_time(double server_unix_seconds);
  // Server minus local, as far as such a reply told it; else 0.
  double clock_offset_seconds() const { return offset_seconds_.load(std::memory_order_relaxed); }

  CredentialsCache& credentials() const { return credentials_; }
  const Endpoint& endpoint() const { return options_.endpoint; }

 private:
  const RequestBuilderOptions options_;
  CredentialsCache& credentials_;
  const Clock& clock_;
  const Signer signer_;
  std::atomic<double> offset_seconds_{
      0.0};  // server minus local; relaxed: any recent value will do
};

}  // namespace ossmc
