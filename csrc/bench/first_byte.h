// first-byte: how long it takes from the call of open to the first bytes of an object.
#pragma once

#include "base/status.h"
#include "bench/run.h"

namespace ossmc::bench {

// Over new connections (each sample has a connector of its own, whose threads it starts too) and
// over used ones (a HEAD has just gone over them). The objects take turns.
Status run_first_byte(Run& run);

}  // namespace ossmc::bench
