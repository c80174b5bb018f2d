// ScheduleResult: what came of one random schedule, and how often it met each thing that schedules
// are there to meet.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "csrc/prefetch/schedule_shape.h"

namespace ossmc {

struct ScheduleCounts {
  std::uint64_t steps = 0;
  std::uint64_t gave_way = 0;

  // --- the store ---
  std::uint64_t requests = 0;
  std::uint64_t heads = 0;
  // Ranged requests that were answered by 200, with all of the object: as much as was asked for,
  // nothing, or more than the little that was.
  std::uint64_t whole_by_200 = 0;
  std::uint64_t empty_by_200 = 0;
  std::uint64_t larger_by_200 = 0;
  // Objects that became others.
  std::uint64_t shrunk = 0;
  std::uint64_t grown = 0;
  std::uint64_t resized_under_one_etag = 0;
  std::uint64_t other_versions_served = 0;  // to requests with If-Match
  std::uint64_t refused_sockets = 0;

  // --- fetches and their memory ---
  std::uint64_t retries = 0;
  std::uint64_t refetches = 0;
  std::uint64_t hedges = 0;
  std::uint64_t with_hedges = 0;  // schedules that had any
  std::uint64_t evicted_unread = 0;
  std::uint64_t evicted_consumed = 0;
  std::uint64_t pieces = 0;        // that were started
  std::uint64_t whole_pieces = 0;  // of these, chunks
  std::uint64_t sweeps_ended = 0;  // by jumps
  std::uint64_t refused_blocks = 0;
  std::uint64_t refused_regions = 0;

  // --- callers ---
  std::uint64_t reads = 0;   // that got their bytes
  std::uint64_t errors = 0;  // typed, and explained by what was done to the run
  std::uint64_t told_of_change = 0;
  std::uint64_t told_of_no_memory = 0;   // the system's
  std::uint64_t told_of_no_socket = 0;   // perhaps: a connection did not come about
  std::uint64_t interrupted = 0;         // calls, of any kind
  std::uint64_t out_of_time = 0;         // calls with a short limit
  std::uint64_t ranges_interrupted = 0;  // of these, reads of more than one chunk
  std::uint64_t ranges_out_of_time = 0;
  std::uint64_t pieces_interrupted = 0;  // reads that could have them
  std::uint64_t not_prefetched = 0;      // objects that were opened so

  // --- views ---
  std::uint64_t views = 0;
  std::uint64_t views_again = 0;  // of an object of which there was none any more
  std::uint64_t views_interrupted = 0;
  std::uint64_t views_out_of_time = 0;
  std::uint64_t views_closed = 0;  // the object was, while one was asked for
  std::uint64_t views_dropped_beside_others = 0;
  std::uint64_t views_that_outlived_objects = 0;
  std::uint64_t waited_for_views = 0;
};

struct ScheduleResult {
  std::string complaint;           // empty: all held
  std::vector<std::string> trace;  // of the last steps, when asked for
  ScheduleCounts counts;
};

void add_to(ScheduleCounts& sum, const ScheduleCounts& one);
std::string text_of(const ScheduleCounts& counts);
// Of what so many schedules of this kind are to meet, that which `sum` has too little of.
std::vector<std::string> too_rare(const ScheduleCounts& sum, std::uint64_t schedules,
                                  ScheduleKind kind);

}  // namespace ossmc
