// list: lists the keys of a bucket that begin with a prefix.
#pragma once

#include "base/status.h"
#include "bench/run.h"

namespace ossmc::bench {

Status run_list(Run& run);

}  // namespace ossmc::bench
