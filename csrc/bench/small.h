// small: reads many small objects whole, opened in batches.
#pragma once

#include "base/status.h"
#include "bench/run.h"

namespace ossmc::bench {

// The latency of an object is from the call that opened its batch to its last byte.
Status run_small(Run& run);

}  // namespace ossmc::bench
