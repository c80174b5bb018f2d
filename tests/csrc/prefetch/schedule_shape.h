// ScheduleShape: what is drawn of a random schedule before it begins: the sizes, the budget, the
// threads, the objects, what may go wrong, and how likely each thing is. It does not change in a
// run; what happens is drawn as it goes (random_schedule.h).
#pragma once

#include <cstdint>
#include <vector>

#include "csrc/prefetch/stored_object.h"
#include "prefetch/piece.h"
#include "support/csrc/chance.h"

namespace ossmc {

// Threads give way in the middle of what they do in some schedules; in the others each does one
// thing at a time, and more can be told of it.
enum class ScheduleKind { kOneAtATime, kGivingWay };

// What may go wrong with a reply, each with the errors that it may end in.
enum Fault : unsigned {
  kResets = 1u << 0,
  kCutOff = 1u << 1,
  kShortBody = 1u << 2,
  kThrottling = 1u << 3,
  kServerErrors = 1u << 4,
  kStalls = 1u << 5,
  kLongBody = 1u << 6,
  kNotFound = 1u << 7,
  kWrongCrc = 1u << 8,
};
inline constexpr unsigned kFaultKinds = 9;

struct ScheduleShape {
  bool has(Fault fault) const { return (faults & fault) != 0; }
  ObjectChances object_chances() const {
    return {.chunk_bytes = chunk_bytes,
            .may_be_missing = has(kNotFound),
            .may_have_wrong_crc = has(kWrongCrc)};
  }

  ScheduleKind kind = ScheduleKind::kOneAtATime;
  std::uint32_t chunk_bytes = 0;
  std::uint32_t little_bytes = 0;  // that a first request asks for where memory is short
  std::uint64_t budget_bytes = 0;
  std::uint64_t kept_bytes = 0;         // of what was read of an object
  std::uint64_t least_ready_bytes = 0;  // however little is in flight
  PieceSizes pieces;
  int threads = 0;  // for I/O
  int slots_per_thread = 0;
  int most_slots_per_thread = 0;  // more: the scheduler finds its level
  unsigned faults = 0;
  std::uint64_t one_fault_in = 1;
  std::uint64_t jitter_drawn = 0;  // numbers that back-off has drawn before
  bool verifies_crc64 = true;
  std::uint64_t weights[4] = {};      // callers, threads that gave way, asks, the store
  std::vector<StoredObject> objects;  // as they are at first
  std::vector<int> caller_actions;    // how many, of each caller
  std::uint64_t requests_before = 0;  // a connector that knows which replies are slow

  // Each happens once in so many times; 0: never.
  std::uint64_t time_passes_one_in = 0;
  std::uint64_t is_behind_one_in = 0;
  std::uint64_t gives_way_one_in = 0;
  // --- the store ---
  std::uint64_t slow_one_in = 0;  // a reply
  // Takes no notice of a range that is the whole object, be it empty, nor of a first request for
  // little of a larger one, and answers by 200.
  std::uint64_t answers_whole_one_in = 0;
  std::uint64_t changes_one_in = 0;           // an object becomes another, just before it answers
  std::uint64_t keeps_etag_one_in = 0;        // such a change is one of size, under the same ETag
  std::uint64_t ignores_if_match_one_in = 0;  // as a cache might
  // --- the system ---
  std::uint64_t no_socket_one_in = 0;  // there is none, for this request and some after it
  std::uint64_t no_memory_one_in = 0;  // there is none, for a chunk or a view
  // --- callers ---
  std::uint64_t interrupts_one_in = 0;    // each time that somebody who waits looks
  std::uint64_t short_limits_one_in = 0;  // how long a call goes on without a byte
  std::uint64_t views_one_in = 0;         // what a caller does has to do with views
  std::uint64_t pieces_one_in = 0;        // a read may receive in its caller's memory
  std::uint64_t known_one_in = 0;         // an object is opened by a version that is known
  std::uint64_t unprefetched_one_in = 0;  // and of those, so many are not prefetched
};

std::uint64_t chance_seed(std::uint64_t seed, ScheduleKind kind);
// REQUIRES: nothing was drawn before.
ScheduleShape draw_shape(ScheduleKind kind, Chance& chance);

}  // namespace ossmc
