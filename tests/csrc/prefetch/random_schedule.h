// RandomSchedule: one run of the real scheduler, its streams, chunks, budget and fetches, under
// callers that open, read, view, give up and close as a seed has it, over a store that answers in
// pieces, out of order, some of it slowly, and with failures, and whose objects become others; on a
// system that has no memory or no socket now and then. The seed decides everything: the sizes, the
// budget, what callers do, who goes on next, when threads give way, what fails, when time passes.
//
// Callers and I/O threads are virtual threads (virtual_threads.h): the blocking reads run as they
// are. Time passes only when nothing else can go on, or now and then while all wait for the store;
// what stands still although time passes is found at once, not by a time limit.
//
// Here is who goes on next, and when time passes. schedule_shape.h draws what is so from the
// beginning; schedule_callers.h does what callers do, schedule_store.h what the store does,
// refused_memory.h what the system does; schedule_judge.h says whether it was right, and
// schedule_result.h what was met.
#pragma once

#include <cstdint>

#include "csrc/prefetch/schedule_result.h"
#include "csrc/prefetch/schedule_shape.h"

namespace ossmc {

ScheduleResult run_schedule(std::uint64_t seed, ScheduleKind kind, bool with_trace);

}  // namespace ossmc
