#include "fetch/audit.h"

#include <chrono>
#include <string>

#include "base/log.h"
#include "protocol/object_name.h"
#include "protocol/percent.h"

namespace ossmc {

namespace {

constexpr std::string_view kScheme = "oss://";

std::string_view outcome_word(TransportError error) {
  switch (error) {
    case TransportError::kNone:
      return "ok";
    case TransportError::kAborted:
      return "refused";
    case TransportError::kCancelled:
      return "cancelled";
    case TransportError::kDns:
      return "dns";
    case TransportError::kConnect:
      return "connect";
    case TransportError::kTls:
      return "tls";
    case TransportError::kReset:
      return "reset";
    case TransportError::kStalled:
      return "stalled";
    case TransportError::kNoMemory:
      return "memory";
    case TransportError::kNoDescriptor:
      return "descriptors";
    case TransportError::kOther:
      break;
  }
  return "other";
}

void append_field(std::string* line, std::string_view field) {
  if (!line->empty()) line->push_back(' ');
  line->append(field.empty() ? std::string_view("-") : field);
}

}  // namespace

void audit_exchange(std::string_view method, std::string_view uri, std::string_view range,
                    const ResponseHead& head, std::uint64_t body_bytes, int attempt,
                    const ExchangeOutcome& outcome) {
  if (!process_log().wants_audit()) return;
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(outcome.elapsed).count();
  std::string line;
  append_field(&line, method);
  append_field(&line, std::string(kScheme) + percent_encode_path(uri.substr(
                                                 kScheme.size())));  // a key may hold blanks
  append_field(&line, range);
  append_field(&line, head.status == 0 ? std::string() : std::to_string(head.status));
  append_field(&line, std::to_string(body_bytes));
  append_field(&line, std::to_string(milliseconds) + "ms");
  append_field(&line, "attempt=" + std::to_string(attempt));
  append_field(&line, outcome.remote);
  append_field(&line, printable(head.request_id, 64));
  append_field(&line, outcome_word(outcome.error));
  process_log().write_audit(std::move(line));
}

}  // namespace ossmc
