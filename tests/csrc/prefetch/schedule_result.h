// ScheduleResult: what came of one random schedule.
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
  // Ranged requests that were answered by 200, with all of the object.
  std::uint64_t whole_by_200 = 0;
  std::uint64_t empty_by_200 = 0;
  std::uint64_t gave_way = 0;
  std::uint64_t waited_for_views = 0;
};

struct ScheduleResult {
  std::string complaint;           // empty: all held
  std::vector<std::string> trace;  // of the last steps, when asked for
  ScheduleCounts counts;
};

}  // namespace ossmc
