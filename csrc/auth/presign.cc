#include "auth/presign.h"

#include <utility>

#include "auth/signing_key.h"
#include "auth/string_to_sign.h"
#include "protocol/dates.h"

namespace ossmc {

namespace {

constexpr std::uint32_t kMaxSecondsV4 = 7 * 86400;

// Both add the query parameters of their version to `request`.
Result<Signer::Explained> add_v1(StoreRequest* request, const Credentials& credentials,
                                 double unix_seconds, std::uint32_t expires_seconds) {
  const std::string expires =
      std::to_string(static_cast<std::int64_t>(unix_seconds) + expires_seconds);
  // A sub-resource, so it is signed; the three below are not.
  if (!credentials.security_token.empty()) {
    request->query.push_back({"security-token", credentials.security_token});
  }
  Signer::Explained explained;
  explained.string_to_sign = string_to_sign_v1(*request, expires);
  Result<std::string> signature = sign_v1(credentials.access_key_secret, explained.string_to_sign);
  if (!signature.is_ok()) return signature.status();
  explained.signature = *signature;
  request->query.push_back({"OSSAccessKeyId", credentials.access_key_id});
  request->query.push_back({"Expires", expires});
  request->query.push_back({"Signature", explained.signature});
  return explained;
}

Result<Signer::Explained> add_v4(StoreRequest* request, const SigningOptions& options,
                                 const Credentials& credentials, double unix_seconds,
                                 std::uint32_t expires_seconds) {
  const std::string date = format_iso_basic(unix_seconds);
  const std::string scope = scope_v4(date, options.region, options.product);
  const auto additional = additional_headers_v4(*request, options.additional_headers);
  request->query.push_back({"x-oss-signature-version", "OSS4-HMAC-SHA256"});
  request->query.push_back({"x-oss-credential", credentials.access_key_id + "/" + scope});
  request->query.push_back({"x-oss-date", date});
  request->query.push_back({"x-oss-expires", std::to_string(expires_seconds)});
  if (!credentials.security_token.empty()) {
    request->query.push_back({"x-oss-security-token", credentials.security_token});
  }
  if (!additional.empty()) {
    request->query.push_back({"x-oss-additional-headers", join_names(additional)});
  }
  Signer::Explained explained;
  explained.canonical_request = canonical_request_v4(*request, additional);
  Result<std::string> text = string_to_sign_v4(date, scope, explained.canonical_request);
  if (!text.is_ok()) return text.status();
  explained.string_to_sign = *text;
  const auto key = derive_key_v4(credentials.access_key_secret, date.substr(0, 8), options.region,
                                 options.product);
  if (!key.is_ok()) return key.status();
  Result<std::string> signature = sign_v4(**key, explained.string_to_sign);
  if (!signature.is_ok()) return signature.status();
  explained.signature = *signature;
  request->query.push_back({"x-oss-signature", explained.signature});
  return explained;
}

}  // namespace

Result<PresignedUrl> presign(const Endpoint& endpoint, Addressing addressing,
                             const SigningOptions& options, StoreRequest request,
                             const Credentials& credentials, double unix_seconds,
                             std::uint32_t expires_seconds) {
  const bool is_v4 = options.version == SignatureVersion::kV4;
  if (credentials.anonymous) return invalid_argument("anonymous credentials cannot presign a URL");
  if (is_v4 && options.region.empty())
    return invalid_argument("signature V4 needs a region: give region=");
  if (expires_seconds == 0)
    return invalid_argument("a presigned URL must be good for a second or more");
  if (is_v4 && expires_seconds > kMaxSecondsV4) {
    return invalid_argument("a presigned URL is good for 7 days at most");
  }
  if (!(unix_seconds >= 0 && unix_seconds < 1e12))
    return invalid_argument("not a time to sign with");
  Status status = check_can_sign(credentials);
  if (!status.is_ok()) return status;
  Result<Signer::Explained> explained =
      is_v4 ? add_v4(&request, options, credentials, unix_seconds, expires_seconds)
            : add_v1(&request, credentials, unix_seconds, expires_seconds);
  if (!explained.is_ok()) return explained.status();
  return PresignedUrl{request_url(endpoint, addressing, request), *explained};
}

}  // namespace ossmc
