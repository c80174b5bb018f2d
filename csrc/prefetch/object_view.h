// Views of a whole object: contiguous, read-only, without a copy.
#pragma once

#include <memory>

#include "memory/view_region.h"
#include "prefetch/stream_reader.h"

namespace ossmc {

// Brings the whole object into its region and waits for every chunk and for the CRC's verdict.
// Chunks in memory are moved there, the rest is fetched straight into it. REQUIRES: the stream is
// kOpen and not empty. Errors: as read_stream, and kMemoryBudget when the present views leave too
// little of the budget; when only other data is in the way it waits.
Result<std::shared_ptr<ViewRegion>> view_stream(Scheduler& scheduler, ObjectStream& stream,
                                                const ReadOptions& options, Interrupt& interrupt);

}  // namespace ossmc
