#include "auth/signer.h"

#include <algorithm>
#include <utility>

#include "auth/signing_key.h"
#include "auth/string_to_sign.h"
#include "protocol/ascii.h"
#include "protocol/dates.h"

namespace ossmc {

namespace {

const NameValue* find_header(const StoreRequest& request, std::string_view name) {
  const auto found =
      std::find_if(request.headers.rbegin(), request.headers.rend(),
                   [&](const NameValue& h) { return equal_ignoring_case(h.name, name); });
  return found == request.headers.rend() ? nullptr : &*found;
}

void remove_header(StoreRequest* request, std::string_view name) {
  std::erase_if(request->headers,
                [&](const NameValue& h) { return equal_ignoring_case(h.name, name); });
}

void set_header(StoreRequest* request, std::string_view name, std::string value) {
  remove_header(request, name);
  request->headers.push_back({std::string(name), std::move(value)});
}

// A signed header must arrive as it was signed: once, and never empty, since the server and the
// SDKs differ in whether an empty one is part of the text. Of a repeated name the last counts.
void drop_ambiguous_headers(StoreRequest* request) {
  std::vector<NameValue> kept;
  kept.reserve(request->headers.size() + 4);
  for (auto it = request->headers.begin(); it != request->headers.end(); ++it) {
    const bool is_oss = to_ascii_lower(it->name).starts_with("x-oss-");
    if (is_oss && trim_blanks(it->value).empty()) continue;
    const bool is_repeated_later =
        std::any_of(it + 1, request->headers.end(),
                    [&](const NameValue& h) { return equal_ignoring_case(h.name, it->name); });
    if (!is_repeated_later) kept.push_back(std::move(*it));
  }
  request->headers = std::move(kept);
}

// Everything but Authorization.
StoreRequest with_signing_headers(const SigningOptions& options, StoreRequest request,
                                  const Credentials& credentials, double unix_seconds) {
  drop_ambiguous_headers(&request);
  remove_header(&request, "Authorization");
  if (options.version == SignatureVersion::kV1) {
    set_header(&request, "Date", format_http_date(unix_seconds));
  } else {
    set_header(&request, "x-oss-date", format_iso_basic(unix_seconds));
    set_header(&request, "x-oss-content-sha256", "UNSIGNED-PAYLOAD");
  }
  remove_header(&request, "x-oss-security-token");
  if (!credentials.security_token.empty()) {
    set_header(&request, "x-oss-security-token", credentials.security_token);
  }
  return request;
}

}  // namespace

// Holds the secret that it was made from, to tell whether it still fits.
struct Signer::DayKey {
  std::string secret;
  std::string day;
  std::shared_ptr<const HmacSha256Key> key;
};

Signer::Signer(SigningOptions options) : options_(std::move(options)) {}

Result<std::shared_ptr<const Signer::DayKey>> Signer::day_key(const std::string& secret,
                                                              std::string_view day) const {
  {
    MutexLock lock(mutex_);
    if (day_key_ != nullptr && day_key_->day == day && day_key_->secret == secret) return day_key_;
  }
  // Made without the lock: two threads may both make it, which costs four HMACs a day.
  Result<std::shared_ptr<const HmacSha256Key>> key =
      derive_key_v4(secret, day, options_.region, options_.product);
  if (!key.is_ok()) return key.status();
  auto made = std::make_shared<const DayKey>(DayKey{secret, std::string(day), *key});
  std::shared_ptr<const DayKey> previous = made;  // freed after the lock
  MutexLock lock(mutex_);
  previous.swap(day_key_);
  return made;
}

Result<Signer::Explained> Signer::explain_prepared(
    const StoreRequest& request, const Credentials& credentials,
    const std::vector<std::string>& additional) const {
  Explained explained;
  Result<std::string> signature = std::string();
  if (options_.version == SignatureVersion::kV1) {
    const NameValue* date = find_header(request, "x-oss-date");
    if (date == nullptr) date = find_header(request, "Date");
    explained.string_to_sign = string_to_sign_v1(request, trim_blanks(date->value));
    signature = sign_v1(credentials.access_key_secret, explained.string_to_sign);
  } else {
    const std::string& date = find_header(request, "x-oss-date")->value;
    const auto key = day_key(credentials.access_key_secret, std::string_view(date).substr(0, 8));
    if (!key.is_ok()) return key.status();
    explained.canonical_request = canonical_request_v4(request, additional);
    Result<std::string> text = string_to_sign_v4(
        date, scope_v4(date, options_.region, options_.product), explained.canonical_request);
    if (!text.is_ok()) return text.status();
    explained.string_to_sign = std::move(text).value();
    signature = sign_v4(*(*key)->key, explained.string_to_sign);
  }
  if (!signature.is_ok()) return signature.status();
  explained.signature = std::move(signature).value();
  return explained;
}

Status Signer::check(const Credentials& credentials) const {
  if (options_.version == SignatureVersion::kV4 && options_.region.empty()) {
    return Status(StatusCode::kInvalidArgument, "signature V4 needs a region: give region=");
  }
  return check_can_sign(credentials);
}

Status Signer::sign(StoreRequest& request, const Credentials& credentials,
                    double unix_seconds) const {
  if (credentials.anonymous) return Status::ok();
  Status status = check(credentials);
  if (!status.is_ok()) return status;
  StoreRequest prepared = with_signing_headers(options_, request, credentials, unix_seconds);
  const auto additional = additional_headers_v4(prepared, options_.additional_headers);
  const Result<Explained> explained = explain_prepared(prepared, credentials, additional);
  if (!explained.is_ok()) return explained.status();
  std::string authorization;
  if (options_.version == SignatureVersion::kV1) {
    authorization = "OSS " + credentials.access_key_id + ":" + explained->signature;
  } else {
    authorization =
        "OSS4-HMAC-SHA256 Credential=" + credentials.access_key_id + "/" +
        scope_v4(find_header(prepared, "x-oss-date")->value, options_.region, options_.product);
    // An empty list is refused.
    if (!additional.empty()) authorization += ",AdditionalHeaders=" + join_names(additional);
    authorization += ",Signature=" + explained->signature;
  }
  prepared.headers.push_back({"Authorization", std::move(authorization)});
  request = std::move(prepared);
  return Status::ok();
}

Result<Signer::Explained> Signer::explain(const StoreRequest& request,
                                          const Credentials& credentials,
                                          double unix_seconds) const {
  if (credentials.anonymous) return Explained{};
  Status status = check(credentials);
  if (!status.is_ok()) return status;
  const StoreRequest prepared = with_signing_headers(options_, request, credentials, unix_seconds);
  return explain_prepared(prepared, credentials,
                          additional_headers_v4(prepared, options_.additional_headers));
}

}  // namespace ossmc
