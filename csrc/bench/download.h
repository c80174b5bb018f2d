// download: opens all objects, then reads them in that order, from first to last byte.
#pragma once

#include "base/status.h"
#include "bench/run.h"

namespace ossmc::bench {

// In passes, or again and again for some seconds; as the options say.
Status run_download(Run& run);

}  // namespace ossmc::bench
