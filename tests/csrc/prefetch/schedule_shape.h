// ScheduleShape: what is drawn of a random schedule before it begins: the sizes, the budget, the
// threads, the objects, what may go wrong, and how likely each thing is. It does not change in a
// run; what happens is drawn as it goes (random_schedule.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "support/csrc/chance.h"
#include "support/csrc/fake_transport.h"

namespace ossmc {

// Threads give way in the middle of what they do in some schedules; in the others each does one
// thing at a time, and more can be told of it.
enum class ScheduleKind { kOneAtATime, kGivingWay };

// What may go wrong in a run, each with the errors that it may end in.
enum Fault : unsigned {
  kResets = 1u << 0,
  kCutOff = 1u << 1,
  kShortBody = 1u << 2,
  kThrottling = 1u << 3,
  kServerErrors = 1u << 4,
  kStalls = 1u << 5,
  kLongBody = 1u << 6,
  kNotFound = 1u << 7,
  kOverwritten = 1u << 8,
  kWrongCrc = 1u << 9,
  kInterrupts = 1u << 10,
};
inline constexpr unsigned kFaultKinds = 11;

struct StoredObject {
  std::string key;
  FakeObject fake;
  std::optional<std::uint64_t> crc;
  bool is_missing = false;
  std::string etag_at_first;
};

struct ScheduleShape {
  bool has(Fault fault) const { return (faults & fault) != 0; }

  ScheduleKind kind = ScheduleKind::kOneAtATime;
  std::uint32_t chunk_bytes = 0;
  std::uint32_t little_bytes = 0;  // that a first request asks for where memory is short
  std::uint64_t budget_bytes = 0;
  int threads = 0;  // for I/O
  int slots_per_thread = 0;
  int most_slots_per_thread = 0;  // more: the scheduler finds its level
  unsigned faults = 0;
  std::uint64_t one_fault_in = 1;
  std::uint64_t jitter_drawn = 0;  // numbers that back-off has drawn before
  bool verifies_crc64 = true;
  std::uint64_t weights[4] = {};  // callers, threads that gave way, asks, the store
  // Each happens once in so many times; 0: never.
  std::uint64_t time_passes_one_in = 0;
  std::uint64_t is_behind_one_in = 0;
  std::uint64_t gives_way_one_in = 0;
  // Slow replies, in a connector that has seen enough of the others to know that they are.
  std::uint64_t slow_one_in = 0;
  std::uint64_t requests_before = 0;
  // Takes no notice of a range that is the whole object, be it empty, and answers by 200.
  std::uint64_t answers_whole_one_in = 0;
  bool views_are_asked_for = false;
  std::vector<StoredObject> objects;  // as they are at first
  std::vector<int> caller_actions;    // how many, of each caller
};

std::uint64_t chance_seed(std::uint64_t seed, ScheduleKind kind);
// REQUIRES: nothing was drawn before.
ScheduleShape draw_shape(ScheduleKind kind, Chance& chance);

}  // namespace ossmc
