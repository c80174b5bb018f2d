#include "protocol/error_reply.h"

#include <algorithm>
#include <utility>

#include "protocol/aliyun_host.h"
#include "protocol/ascii.h"
#include "protocol/dates.h"
#include "protocol/object_name.h"

namespace ossmc {

namespace {

constexpr std::size_t kMaxTlsHintBytes = 2048;  // such pages are short

struct Verdict {
  StatusCode code;
  RetryClass retry = RetryClass::kNever;
  std::string advice;
};

// What the reply is to, and whose it is.
struct Asked {
  Operation operation;
  std::string_view uri;
  const OfVersion& version;
  const Replier& replier;
};

struct CodeRule {
  std::string_view code;
  StatusCode status;
  RetryClass retry;
  std::string_view advice;
};

// Codes of 4xx replies that say more than their status. Source: Alibaba Cloud OSS, "Error codes".
constexpr CodeRule kRules[] = {
    {"NoSuchKey", StatusCode::kObjectNotFound, RetryClass::kNever, ""},
    {"NoSuchVersion", StatusCode::kObjectNotFound, RetryClass::kNever, ""},
    {"SymlinkTargetNotExist", StatusCode::kObjectNotFound, RetryClass::kNever,
     "the object is a symlink and what it points to does not exist"},
    {"InvalidAccessKeyId", StatusCode::kCredentials, RetryClass::kCredentials,
     "check the access key id (unknown, disabled or deleted); a temporary key needs its security "
     "token (OSS_SESSION_TOKEN), a long-term one must have none"},
    {"SignatureDoesNotMatch", StatusCode::kCredentials, RetryClass::kCredentials,
     "check the access key secret, and region= if it was given"},
    {"InvalidSecurityToken", StatusCode::kCredentials, RetryClass::kCredentials,
     "check the security token, OSS_SESSION_TOKEN (malformed, or cut off)"},
    {"SecurityTokenExpired", StatusCode::kCredentials, RetryClass::kCredentials,
     "get new temporary credentials: id, secret and token together (OSS_SESSION_TOKEN)"},
    {"AccessKeyIdAndSecurityTokenNotMatch", StatusCode::kCredentials, RetryClass::kCredentials,
     "the security token was given out with another access key id: take id, secret and token "
     "(OSS_SESSION_TOKEN) of one answer"},
    {"InvalidObjectState", StatusCode::kObjectArchived, RetryClass::kNever, ""},
    {"UserDisable", StatusCode::kAccessDenied, RetryClass::kNever,
     "the account is disabled, most often for a payment "
     "overdue: see the billing console"},
    {"InDebt", StatusCode::kAccessDenied, RetryClass::kNever, "the account has a payment overdue"},
    {"InDebtOverdue", StatusCode::kAccessDenied, RetryClass::kNever,
     "the account has a payment overdue"},
    {"SecondLevelDomainForbidden", StatusCode::kAccessDenied, RetryClass::kNever,
     "this endpoint refuses path-style addressing: set \"addressing\" to \"virtual\" or leave it "
     "out"},
    {"RequestTimeout", StatusCode::kOss, RetryClass::kTransient, ""},
};

// What to type where an archived object is read.
std::string archived_advice(std::string_view uri) {
  return "the object is archived: restore it first (ossutil restore " + printable(uri, 200) +
         "), which takes from a minute to hours";
}

// "bucket" of oss://bucket/key.
std::string bucket_of(std::string_view uri) {
  if (uri.starts_with(kUriScheme)) uri.remove_prefix(kUriScheme.size());
  return printable(uri.substr(0, uri.find('/')), 80);
}

// What is likely wrong with a key that is not there.
std::string missing_key_advice(std::string_view uri) {
  const std::string query = to_ascii_lower(uri.substr(std::min(uri.find('?'), uri.size())));
  if (query.find("versionid=") != query.npos) {
    return "all after the bucket is the key, \"?versionId=\" too: a version is asked for by "
           "open(uri, version_id=...)";
  }
  if (query.find("signature=") != query.npos || query.find("expires=") != query.npos) {
    return "all after the bucket is the key, the query of a presigned URL too: leave out what "
           "follows the \"?\"";
  }
  if (uri.ends_with('/')) {
    const std::string_view prefix = uri.substr(uri.find('/', kUriScheme.size()) + 1);
    return "a key that ends in \"/\" names a folder, which has no bytes: list(\"" + bucket_of(uri) +
           "\", \"" + printable(prefix, 80) + "\") tells what is in it";
  }
  return "check the key: list(\"" + bucket_of(uri) + "\", prefix) tells what is there";
}

// The store says that the region in the signature is wrong: 400 InvalidArgument "Invalid signing
// region in Authorization header" of OSS, AuthorizationHeaderMalformed of stores with the API of
// S3.
bool is_wrong_signing_region(const ErrorReply& reply) {
  const std::string message = to_ascii_lower(reply.message);
  return (reply.code == "InvalidArgument" || reply.code == "AuthorizationHeaderMalformed") &&
         message.find("region") != message.npos;
}

// A store with the API of S3, which checks signatures, and knows none but its own.
bool wants_signature_of_s3(const ErrorReply& reply) {
  return reply.code == "UnsupportedAlgorithm" ||
         reply.message.find("AWS4-HMAC-SHA256") != std::string::npos;
}

// The keys that OSS encrypts with are another service's, which has permissions of its own.
bool is_about_kms(const ErrorReply& reply) {
  return to_ascii_lower(reply.code).find("kms") != std::string::npos ||
         to_ascii_lower(reply.message).find("kms") != std::string::npos;
}

bool is_for_requesters_who_pay(const ErrorReply& reply) {
  return to_ascii_lower(reply.message).find("requester pay") != std::string::npos;
}

// How servers that want TLS answer plain HTTP at their port: nginx, Apache, Go.
bool wants_tls(std::string_view page) {
  const std::string text = to_ascii_lower(page);
  for (const std::string_view words :
       {"plain http request was sent to https port", "speaking plain http to an ssl-enabled",
        "sent an http request to an https server"}) {
    if (text.find(words) != text.npos) return true;
  }
  return false;
}

// Scheme and host of a Location: the rest of it may hold what nobody should log.
std::string location_host(std::string_view location) {
  const std::size_t mark = location.find("//");
  if (mark == location.npos) return "another place on the same host";
  const std::size_t path = std::min(location.find_first_of("/?#\\", mark + 2), location.size());
  const std::string_view authority = location.substr(mark + 2, path - mark - 2);
  const std::size_t at = authority.rfind('@');
  return printable(location.substr(0, mark + 2), 16) +
         printable(at == authority.npos ? authority : authority.substr(at + 1), 160);
}

constexpr const char* kThrottleAdvice =
    "the store asks to slow down: read with fewer processes at a time, or have the limit raised";

bool is_throttle_code(std::string_view code) {
  return code.ends_with("LimitExceeded") || code.ends_with("QpsLimitted") || code == "SlowDown";
}

Verdict wrong_region(std::string_view uri, const ErrorReply& reply) {
  std::string advice =
      "bucket " + bucket_of(uri) + " lives at another endpoint: use endpoint " + reply.endpoint;
  if (const auto region = region_from_host(reply.endpoint)) {
    advice += " (and region=\"" + *region + "\", if region= is given)";
  }
  return {StatusCode::kAccessDenied, RetryClass::kNever, std::move(advice)};
}

Verdict access_denied(const Asked& asked, const ResponseHead& head, const ErrorReply& reply) {
  std::string advice = asked.operation == Operation::kList
                           ? "the credentials need the permission oss:ListObjects on this bucket"
                           : "the credentials need the permission oss:GetObject on this object";
  if (is_about_kms(reply)) {
    advice =
        "the object is encrypted by a key of KMS: the credentials need the permission "
        "kms:Decrypt on that key too";
  } else if (is_for_requesters_who_pay(reply)) {
    advice =
        "in this bucket the requester pays: set \"headers\" to "
        "{\"x-oss-request-payer\": \"requester\"}";
  } else if (reply.code.empty() && !head.is_of_store && !asked.replier.has_given_objects) {
    advice +=
        "; or it was no store that refused (no x-oss-* header, no error code): check whether "
        "a proxy, a gateway or a login page stands before " +
        std::string(asked.replier.endpoint);
  }
  return {StatusCode::kAccessDenied, RetryClass::kNever, std::move(advice)};
}

Verdict bucket_not_found(std::string_view uri, const ErrorReply& reply) {
  return {StatusCode::kBucketNotFound, RetryClass::kNever,
          "there is no bucket " + bucket_of(uri) + " at " +
              (reply.host_id.empty() ? "this endpoint" : reply.host_id) +
              ": check its name and the endpoint"};
}

Verdict not_found(const Asked& asked, const ResponseHead& head, const ErrorReply& reply) {
  if (asked.operation == Operation::kList || reply.code == "NoSuchBucket") {
    return bucket_not_found(asked.uri, reply);
  }
  if (!reply.code.empty()) return {StatusCode::kOss, RetryClass::kNever, ""};
  if (!head.is_of_store && !asked.replier.has_given_objects)
    return {StatusCode::kProtocol, RetryClass::kNever, no_store_advice(asked.replier)};
  return {StatusCode::kObjectNotFound, RetryClass::kNever,
          "no such object, or no such bucket; " + missing_key_advice(asked.uri)};
}

std::string advice_of(const CodeRule& rule, std::string_view uri) {
  if (rule.code == "NoSuchKey") return missing_key_advice(uri);
  if (rule.status == StatusCode::kObjectArchived) return archived_advice(uri);
  return std::string(rule.advice);
}

// 4xx, by code where the code says more, else by status.
Verdict client_error(const Asked& asked, const ResponseHead& head, const ErrorReply& reply) {
  const auto [operation, uri, version, replier] = asked;
  const int status = head.status;
  const std::string_view code = reply.code;
  if (is_throttle_code(code) || status == 429) {
    return {StatusCode::kThrottled, RetryClass::kThrottled, kThrottleAdvice};
  }
  if (status == 412) {
    return {StatusCode::kObjectChanged, RetryClass::kNever,
            "the object was overwritten since its version became known: open it again"};
  }
  // A store may look at the range before it looks at If-Match.
  if (status == 416 && version.is_known) {
    return {StatusCode::kObjectChanged, RetryClass::kNever,
            "the object was overwritten since its version became known: it is shorter; open it "
            "again"};
  }
  if (status == 416) {
    return {StatusCode::kProtocol, RetryClass::kNever, "the range does not lie in the object"};
  }
  if (code == "NoSuchBucket") return bucket_not_found(uri, reply);
  if (code == "RequestTimeTooSkewed") {
    return {StatusCode::kAccessDenied, RetryClass::kClockSkew,
            "this machine's clock is more than 15 minutes off: set it right (timedatectl set-ntp "
            "true, or chronyc makestep)"};
  }
  for (const CodeRule& rule : kRules) {
    // A list request is about the bucket, whatever a 404 says.
    if (rule.code == code && !(status == 404 && operation == Operation::kList)) {
      return {rule.status, rule.retry, advice_of(rule, uri)};
    }
  }
  if (is_wrong_signing_region(reply)) {
    return {StatusCode::kCredentials, RetryClass::kNever,
            "check region=: it must be the region that the bucket lies in"};
  }
  if (status == 400 && wants_signature_of_s3(reply)) {
    return {StatusCode::kOss, RetryClass::kNever,
            "this store wants signatures of S3, and those of OSS are another kind: see \"Other "
            "stores and gateways\" in docs/reliability.md"};
  }
  switch (status) {
    case 401:
      return {StatusCode::kCredentials, RetryClass::kCredentials, "check the credentials"};
    case 403:
      return reply.endpoint.empty() ? access_denied(asked, head, reply) : wrong_region(uri, reply);
    case 404:
      return not_found(asked, head, reply);
    case 407:
      return {StatusCode::kOss, RetryClass::kNever,
              "the proxy wants a name and a password: put NAME:PASSWORD@ before its host in "
              "http_proxy, https_proxy or \"proxy\""};
    case 408:
      return {StatusCode::kOss, RetryClass::kTransient, ""};
    default:
      return {StatusCode::kOss, RetryClass::kNever, ""};
  }
}

// Of a versioned bucket's object that is not there; nothing: another error. OSS answers 405 to a
// version that is a delete marker ("Overview of versioning", delete markers).
std::optional<Verdict> no_such_version(const ResponseHead& head, const ErrorReply& reply,
                                       std::string_view version_id) {
  std::string advice;
  if (version_id.empty()) {
    if (head.status != 404 || !head.is_delete_marker) return std::nullopt;
    advice =
        "the object was deleted: its latest version is a delete marker (x-oss-delete-marker: "
        "true); version_id= reads an older one";
  } else if (reply.code == "NoSuchVersion") {
    advice = "the object has no version " + in_quotes(version_id);
  } else if ((head.status == 404 && head.is_delete_marker) ||
             (head.status == 405 && (head.is_delete_marker || reply.code == "MethodNotAllowed"))) {
    advice = "version " + in_quotes(version_id) + " is a delete marker, which has no bytes";
  } else {
    return std::nullopt;
  }
  return Verdict{StatusCode::kObjectNotFound, RetryClass::kNever, std::move(advice)};
}

// Other libraries take a version as part of the URI.
void hint_at_version_id(std::string_view uri, std::string* advice) {
  if (uri.find("?versionId=") == uri.npos) return;
  if (!advice->empty()) *advice += "; ";
  *advice += "\"?versionId=\" is part of the key here: give version_id= to read a version";
}

Verdict judge(const Asked& asked, const ResponseHead& head, const ErrorReply& reply) {
  if (head.status >= 300 && head.status < 400) {
    std::string advice = "redirects are not followed";
    if (head.status == 304) {
      advice = "nothing asked for this reply";
    } else if (!head.location.empty()) {
      advice += "; this one leads to " + location_host(head.location) +
                ": if that is the store, give it as the endpoint";
    }
    if (!reply.endpoint.empty()) advice += "; use endpoint " + reply.endpoint;
    return {StatusCode::kProtocol, RetryClass::kNever, std::move(advice)};
  }
  if (head.status < 400 || head.status > 599) {
    return {StatusCode::kProtocol, RetryClass::kNever, "no reply to expect here"};
  }
  if (head.status < 500) {
    std::optional<Verdict> verdict;
    const std::string_view version_id = asked.version.id;
    if (asked.operation != Operation::kList) verdict = no_such_version(head, reply, version_id);
    if (!verdict) verdict = client_error(asked, head, reply);
    if (verdict->code == StatusCode::kObjectNotFound && version_id.empty())
      hint_at_version_id(asked.uri, &verdict->advice);
    return *verdict;
  }
  if (head.status == 503 || is_throttle_code(reply.code)) {
    return {StatusCode::kThrottled, RetryClass::kThrottled, kThrottleAdvice};
  }
  return {StatusCode::kServer, RetryClass::kTransient, ""};
}

ErrorReply read_reply(const ResponseHead& head, std::string_view body) {
  ErrorReply reply = parse_error_body(body);
  // The header is there for replies without a body; a proxy may have put its own page into one.
  if (reply.code.empty() && !head.error_header.empty()) {
    ErrorReply from_header = parse_error_header(head.error_header);
    if (!from_header.code.empty()) reply = std::move(from_header);
  }
  // What the head says is whole; a body may be cut.
  if (!head.request_id.empty()) reply.request_id = printable(head.request_id, 128);
  if (!head.ec.empty()) reply.ec = printable(head.ec, 64);
  return reply;
}

std::string describe(const ResponseHead& head, const ErrorReply& reply, std::string_view excerpt,
                     std::string_view advice) {
  std::string text = "HTTP " + std::to_string(head.status);
  if (!reply.code.empty()) text += " " + reply.code;
  if (!reply.message.empty()) {
    text += ": " + reply.message;
  } else if (!excerpt.empty()) {
    text += ", the reply says \"" + std::string(excerpt) + "\"";
  }
  if (!advice.empty()) {
    while (text.ends_with('.') && !text.ends_with("...")) text.pop_back();
    text += "; " + std::string(advice);
  }
  std::string ids;
  if (!reply.request_id.empty()) ids += "request id " + reply.request_id;
  if (!reply.ec.empty()) ids += (ids.empty() ? "EC " : ", EC ") + reply.ec;
  if (!ids.empty()) text += " (" + ids + ")";
  return text;
}

// The reply's own word of the time first: a cache may have kept the Date of another.
std::optional<double> server_time(const ResponseHead& head, const ErrorReply& reply) {
  if (const auto seconds = parse_iso_date(reply.server_time)) return seconds;
  return parse_http_date(head.date);
}

}  // namespace

std::string no_store_advice(const Replier& replier) {
  return "this is no reply of an object store (no x-oss-* header, no error code): check the "
         "endpoint " +
         std::string(replier.endpoint) +
         ", and whether a proxy, a gateway or a login page stands before it";
}

Failure classify_error_reply(Operation operation, std::string_view uri, const ResponseHead& head,
                             std::string_view body, const OfVersion& version,
                             const Replier& replier) {
  const ErrorReply reply = read_reply(head, body);
  Verdict verdict = judge({operation, uri, version, replier}, head, reply);
  Failure failure;
  if (verdict.retry == RetryClass::kClockSkew) {
    failure.server_unix_seconds = server_time(head, reply);
    if (!failure.server_unix_seconds) verdict.retry = RetryClass::kNever;
  }
  if (verdict.retry == RetryClass::kTransient || verdict.retry == RetryClass::kThrottled) {
    failure.retry_after_seconds = head.retry_after_seconds;
  }
  const std::string excerpt =
      reply.code.empty() && reply.message.empty() ? body_excerpt(body) : std::string();
  ErrorDetail detail;
  detail.uri = uri;
  detail.http_status = head.status;
  detail.error_code = reply.code;
  detail.ec = reply.ec;
  detail.request_id = reply.request_id;
  failure.retry = verdict.retry;
  if (reply.code.empty() && wants_tls(body.substr(0, kMaxTlsHintBytes))) {
    verdict.advice = "this port speaks TLS: write https:// in the endpoint";
  }
  failure.status =
      Status(verdict.code, describe(head, reply, excerpt, verdict.advice), std::move(detail));
  return failure;
}

}  // namespace ossmc
