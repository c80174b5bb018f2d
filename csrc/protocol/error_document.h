// The <Error> document of OSS: what a failed reply's body, or its x-oss-err header, says.
#pragma once

#include <string>
#include <string_view>

namespace ossmc {

// The parts of an <Error> document that are used. StringToSign and its like are never kept: they
// hold tokens; and what `message` repeats of them is blotted out.
struct ErrorReply {
  std::string code;
  std::string message;  // one line
  std::string request_id;
  std::string ec;
  std::string endpoint;     // of a wrong-region reply: where the bucket lives
  std::string server_time;  // of a clock-skew reply
  std::string host_id;      // the host that was asked
};

// Reads at most the first 64 KiB. Anything that is not such a document (HTML of a proxy, cut,
// absent) gives what could be found, maybe nothing: the status then decides alone.
ErrorReply parse_error_body(std::string_view body);
// The same document, base64 in the x-oss-err header of replies that have no body.
ErrorReply parse_error_header(std::string_view base64);

// The beginning of a body that is no <Error> document, for a text: one line, without markup, at
// most 512 bytes.
std::string body_excerpt(std::string_view body);

// `text` with the value after each "security-token" blotted out.
std::string redact_security_tokens(std::string_view text);

}  // namespace ossmc
