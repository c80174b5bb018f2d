// Signatures V1 (HMAC-SHA1) and V4 (HMAC-SHA256) of OSS in request headers.
// Source: Alibaba Cloud OSS API reference, "Include signatures in the Authorization header";
// recorded SDK vectors.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/credentials.h"
#include "base/mutex.h"
#include "base/status.h"
#include "protocol/store_request.h"

namespace ossmc {

enum class SignatureVersion : std::uint8_t { kV1, kV4 };

struct SigningOptions {
  SignatureVersion version = SignatureVersion::kV4;
  std::string region;           // V4: required
  std::string product = "oss";  // "oss-cloudbox" for cloud boxes
  std::vector<std::string>
      additional_headers;  // V4: further headers to sign when present, any case
};

// Adds date, token and Authorization headers to requests. Thread-safe; caches the derived V4 key of
// a day.
class Signer {
 public:
  explicit Signer(SigningOptions options);

  // For anonymous credentials adds nothing. kInvalidArgument: V4 without a region. kCredentials:
  // keys that cannot sign (empty, or with a line end). On an error `request` is unchanged. Headers
  // of these names that were there are replaced; of any repeated header the last stays, and empty
  // x-oss-* headers go, so that what is sent is what was signed. `unix_seconds` is the time to sign
  // with (the server's, if its offset is known).
  Status sign(StoreRequest& request, const Credentials& credentials, double unix_seconds) const;

  // The texts under the signature, for tests and for debugging a SignatureDoesNotMatch. May hold a
  // token: never log them.
  struct Explained {
    std::string canonical_request;  // V4 only
    std::string string_to_sign;
    std::string signature;
  };
  Result<Explained> explain(const StoreRequest& request, const Credentials& credentials,
                            double unix_seconds) const;

  const SigningOptions& options() const { return options_; }

 private:
  struct DayKey;
  Status check(const Credentials& credentials) const;
  // `request` has all headers but Authorization.
  Result<Explained> explain_prepared(const StoreRequest& request, const Credentials& credentials,
                                     const std::vector<std::string>& additional) const;
  Result<std::shared_ptr<const DayKey>> day_key(const std::string& secret,
                                                std::string_view day) const;

  const SigningOptions options_;
  mutable Mutex mutex_;
  mutable std::shared_ptr<const DayKey> day_key_ OSSMC_GUARDED_BY(mutex_);
};

}  // namespace ossmc
