// Audit lines: one line for each exchange, for those who must know what was asked of the store.
#pragma once

#include <cstdint>
#include <string_view>

#include "fetch/request_builder.h"
#include "transfer/exchange.h"

namespace ossmc {

// Writes "method uri range status bytes milliseconds attempt remote request-id outcome" to the
// process's log ring if audit lines are wanted. Fields are separated by blanks, empty ones are "-".
// No header, no query, no secret.
void audit_exchange(std::string_view method, std::string_view uri, std::string_view range,
                    const ResponseHead& head, std::uint64_t body_bytes, int attempt,
                    const ExchangeOutcome& outcome);

}  // namespace ossmc
