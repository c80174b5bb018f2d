// RandomSchedule: one run of the real scheduler, its streams, chunks, budget and fetches, under
// callers that open, read, view and close as a seed has it, over a store that answers in pieces,
// out of order, some of it slowly, and with failures. The seed decides everything: the sizes, the
// budget, what callers do, who goes on next, when threads give way, what fails, when time passes.
//
// Callers and I/O threads are virtual threads (virtual_threads.h): the blocking reads run as they
// are. Time passes only when nothing else can go on, or now and then while all wait for the store;
// what stands still although time passes is found at once, not by a time limit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ossmc {

struct ScheduleCounts {
  std::uint64_t steps = 0;
  std::uint64_t requests = 0;
  std::uint64_t reads = 0;   // that got their bytes
  std::uint64_t errors = 0;  // typed, and explained by what was done to the run
  std::uint64_t views = 0;
  std::uint64_t retries = 0;
  std::uint64_t refetches = 0;
  std::uint64_t hedges = 0;
  std::uint64_t with_hedges = 0;  // schedules that had any
  std::uint64_t evicted_unread = 0;
  std::uint64_t evicted_consumed = 0;
  std::uint64_t heads = 0;
  std::uint64_t gave_way = 0;
  std::uint64_t waited_for_views = 0;
};

struct ScheduleResult {
  std::string complaint;           // empty: all held
  std::vector<std::string> trace;  // of the last steps, when asked for
  ScheduleCounts counts;
};

// Threads give way in the middle of what they do in some schedules; in the others each does one
// thing at a time, and more can be told of it.
enum class ScheduleKind { kOneAtATime, kGivingWay };

ScheduleResult run_schedule(std::uint64_t seed, ScheduleKind kind, bool with_trace);

}  // namespace ossmc
