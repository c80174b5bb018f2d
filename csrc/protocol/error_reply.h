// Error replies of OSS: what each status and code means for the caller and for a retry.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "protocol/error_document.h"
#include "protocol/http.h"

namespace ossmc {

// What may be done about a failure. Whether it may still be done (attempts, quota, deadline) is
// decided elsewhere.
enum class RetryClass : std::uint8_t {
  kNever,
  kTransient,    // again after a back-off
  kThrottled,    // again after a longer back-off, and with less concurrency
  kCredentials,  // once more with refreshed credentials, if they changed
  kClockSkew,    // once more with the server's clock
};

enum class Operation : std::uint8_t { kGetObject, kHeadObject, kList };

struct Failure {
  Status status;
  RetryClass retry = RetryClass::kNever;
  // The server's clock at the reply; always with kClockSkew, only then.
  std::optional<double> server_unix_seconds;
  // What the server asks to wait at least; only with kTransient and kThrottled.
  std::optional<std::uint32_t> retry_after_seconds{};
};

// Which version a request is about.
struct OfVersion {
  std::string_view id = {};  // not empty: of that id
  bool is_known = false;     // size and marks are known: what does not fit is another one
};

// What replied. A server that is no object store has 404 for everything.
struct Replier {
  std::string_view endpoint = {};  // for texts
  bool has_given_objects = false;  // so it is a store
};
// "check the endpoint ..."
std::string no_store_advice(const Replier& replier);

// Turns a reply that is no success into an error. `operation` and `replier` matter for a 404
// without a code, `uri` and `version.id` for what the advice names. The text is one line,
// without secrets: status, code, the server's message, what to do about it, EC and request id.
// Operation, uri and attempts are put before it by who counts the attempts; detail.attempts is left
// 0.
Failure classify_error_reply(Operation operation, std::string_view uri, const ResponseHead& head,
                             std::string_view body, const OfVersion& version = {},
                             const Replier& replier = {});

}  // namespace ossmc
