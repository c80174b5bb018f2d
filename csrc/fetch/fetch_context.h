// FetchContext: what every request of one connector shares. Plain references, set once by the
// engine, which owns them all and outlives every request.
#pragma once

#include "base/clock.h"
#include "base/counters.h"
#include "base/random.h"
#include "fetch/request_builder.h"
#include "fetch/retry.h"
#include "fetch/store_evidence.h"

namespace ossmc {

// How soon to look again while the credentials provider has not answered; where nothing was held
// before, its answer wakes the I/O threads anyway.
inline constexpr Duration kCredentialsPoll = std::chrono::milliseconds(20);

struct FetchContext {
  const Clock& clock;
  Random& random;
  Counters& counters;
  RequestBuilder& builder;
  RetryQuota& quota;
  StoreEvidence& store;
  RetryOptions retry;
  bool verify_crc64 = true;
};

}  // namespace ossmc
