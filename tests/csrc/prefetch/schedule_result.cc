#include "csrc/prefetch/schedule_result.h"

namespace ossmc {

namespace {

// How often it is to be met, at the least.
enum class Meet : std::uint8_t {
  kMaybe,
  kOnce,             // rare things
  kIn1Of100,         // schedules
  kIn1Of100InTurns,  // of those in which one thing happens at a time: else nobody counts it
  kInEachGivingWay,
};

struct Counted {
  const char* name;
  std::uint64_t ScheduleCounts::*count;
  Meet meet = Meet::kIn1Of100;
};

constexpr Counted kCounted[] = {
    {"steps", &ScheduleCounts::steps},
    {"times gave way", &ScheduleCounts::gave_way, Meet::kInEachGivingWay},
    {"requests", &ScheduleCounts::requests},
    {"HEADs", &ScheduleCounts::heads},
    {"whole objects by 200", &ScheduleCounts::whole_by_200},
    {"empty objects by 200", &ScheduleCounts::empty_by_200},
    {"objects larger than asked for by 200", &ScheduleCounts::larger_by_200},
    {"objects shrunk", &ScheduleCounts::shrunk},
    {"objects grown", &ScheduleCounts::grown},
    {"objects of another size under one ETag", &ScheduleCounts::resized_under_one_etag,
     Meet::kOnce},
    {"replies of another version than asked for", &ScheduleCounts::other_versions_served},
    {"refused sockets", &ScheduleCounts::refused_sockets},
    {"retries", &ScheduleCounts::retries},
    {"refetches", &ScheduleCounts::refetches},
    {"hedges", &ScheduleCounts::hedges},
    {"schedules with hedges", &ScheduleCounts::with_hedges},
    {"evictions of unread chunks", &ScheduleCounts::evicted_unread, Meet::kIn1Of100InTurns},
    {"evictions of consumed chunks", &ScheduleCounts::evicted_consumed, Meet::kIn1Of100InTurns},
    {"pieces", &ScheduleCounts::pieces},
    {"pieces that are chunks", &ScheduleCounts::whole_pieces, Meet::kIn1Of100InTurns},
    {"sweeps that jumps ended", &ScheduleCounts::sweeps_ended, Meet::kOnce},
    {"refused blocks", &ScheduleCounts::refused_blocks},
    {"refused regions", &ScheduleCounts::refused_regions, Meet::kOnce},
    {"reads", &ScheduleCounts::reads},
    {"errors", &ScheduleCounts::errors},
    {"of a changed object", &ScheduleCounts::told_of_change},
    {"of refused memory", &ScheduleCounts::told_of_no_memory},
    {"of refused sockets", &ScheduleCounts::told_of_no_socket},
    {"interrupted calls", &ScheduleCounts::interrupted},
    {"calls out of time", &ScheduleCounts::out_of_time},
    {"interrupted reads of ranges", &ScheduleCounts::ranges_interrupted, Meet::kOnce},
    {"reads of ranges out of time", &ScheduleCounts::ranges_out_of_time, Meet::kOnce},
    {"interrupted reads with pieces", &ScheduleCounts::pieces_interrupted},
    {"objects that are not prefetched", &ScheduleCounts::not_prefetched},
    {"views", &ScheduleCounts::views},
    {"views once more", &ScheduleCounts::views_again, Meet::kOnce},
    {"views interrupted", &ScheduleCounts::views_interrupted, Meet::kOnce},
    {"views out of time", &ScheduleCounts::views_out_of_time, Meet::kOnce},
    {"views whose object was closed", &ScheduleCounts::views_closed, Meet::kOnce},
    {"views dropped beside others", &ScheduleCounts::views_dropped_beside_others},
    {"views that outlived their objects", &ScheduleCounts::views_that_outlived_objects},
    {"waits for memory of views", &ScheduleCounts::waited_for_views, Meet::kMaybe},
};

std::uint64_t least(Meet meet, std::uint64_t schedules, ScheduleKind kind) {
  switch (meet) {
    case Meet::kMaybe:
      return 0;
    case Meet::kOnce:
      return 1;
    case Meet::kIn1Of100:
      return schedules / 100 + 1;
    case Meet::kIn1Of100InTurns:
      return kind == ScheduleKind::kOneAtATime ? schedules / 100 + 1 : 0;
    case Meet::kInEachGivingWay:
      return kind == ScheduleKind::kGivingWay ? schedules + 1 : 0;
  }
  return 0;
}

}  // namespace

void add_to(ScheduleCounts& sum, const ScheduleCounts& one) {
  for (const Counted& counted : kCounted) sum.*counted.count += one.*counted.count;
}

std::string text_of(const ScheduleCounts& counts) {
  std::string text;
  for (const Counted& counted : kCounted)
    text += (text.empty() ? "" : ", ") + std::to_string(counts.*counted.count) + " " + counted.name;
  return text;
}

std::vector<std::string> too_rare(const ScheduleCounts& sum, std::uint64_t schedules,
                                  ScheduleKind kind) {
  std::vector<std::string> rare;
  for (const Counted& counted : kCounted) {
    const std::uint64_t count = sum.*counted.count;
    if (count < least(counted.meet, schedules, kind))
      rare.push_back(std::to_string(count) + " " + counted.name);
  }
  return rare;
}

}  // namespace ossmc
