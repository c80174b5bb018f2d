#include "csrc/prefetch/schedule_shape.h"

#include <algorithm>
#include <iterator>

#include "prefetch/hedge_rule.h"

namespace ossmc {

namespace {

std::uint32_t some_chunk_bytes(Chance& chance) {
  // A multiple of a cache line: of less, a block holds more than the chunk.
  constexpr std::uint32_t kSizes[] = {64, 128, 192, 320, 512};
  return kSizes[chance.below(std::size(kSizes))];
}

std::uint64_t some_budget_bytes(std::uint32_t chunk_bytes, Chance& chance) {
  const std::uint64_t chunks = chance.one_in(4) ? 40 + chance.below(200) : 4 + chance.below(12);
  const std::uint64_t rest = chance.one_in(3) ? chance.below(chunk_bytes) : 0;
  return chunks * chunk_bytes + rest;
}

void draw_faults(ScheduleShape& shape, Chance& chance) {
  if (chance.one_in(3)) return;
  shape.faults = static_cast<unsigned>(chance.below(1u << kFaultKinds));
  if (chance.one_in(2)) shape.faults &= static_cast<unsigned>(chance.below(1u << kFaultKinds));
  shape.one_fault_in = chance.one_in(3) ? 2 + chance.below(4) : 8 + chance.below(40);
}

// What befalls a run apart from faults of replies: one or two things in most, much of it in some.
void draw_chances(ScheduleShape& shape, Chance& chance) {
  const std::uint64_t seldom = chance.one_in(8) ? 1 : 3;
  const auto draw = [&](std::uint64_t least, std::uint64_t span) {
    return chance.one_in(seldom) ? least + chance.below(span) : 0;
  };
  shape.changes_one_in = draw(10, 80);
  shape.keeps_etag_one_in = draw(2, 3);
  shape.ignores_if_match_one_in = draw(1, 4);
  shape.no_socket_one_in = draw(10, 80);
  shape.no_memory_one_in = draw(3, 40);
  shape.interrupts_one_in = draw(4, 40);
  shape.short_limits_one_in = draw(1, 5);
  shape.views_one_in = chance.one_in(2) ? 2 + chance.below(8) : 0;
  shape.pieces_one_in = chance.one_in(4) ? 0 : 1 + chance.below(3);
  shape.known_one_in = chance.one_in(2) ? 8 : 2;
  shape.unprefetched_one_in = chance.one_in(3) ? 0 : 1 + chance.below(2);
  shape.answers_whole_one_in = chance.one_in(2) ? 0 : 1 + chance.below(3);
}

// In proportion to chunks that are so small.
PieceSizes some_piece_sizes(std::uint32_t chunk_bytes, Chance& chance) {
  return {.large_bytes = chunk_bytes * (1 + chance.below(6)),
          .large_unprefetched_bytes = chunk_bytes * (1 + chance.below(4)),
          .small_rest_bytes = chunk_bytes * chance.below(6),
          .small_chunk_bytes = chance.one_in(4) ? chunk_bytes : 0,
          .bulk_bytes = chance.one_in(2) ? chunk_bytes : chunk_bytes / 2};
}

}  // namespace

std::uint64_t chance_seed(std::uint64_t seed, ScheduleKind kind) {
  return seed * 2 + (kind == ScheduleKind::kGivingWay ? 1 : 0);
}

ScheduleShape draw_shape(ScheduleKind kind, Chance& chance) {
  ScheduleShape shape;
  shape.kind = kind;
  shape.chunk_bytes = some_chunk_bytes(chance);
  shape.little_bytes = std::max(16u, shape.chunk_bytes >> chance.below(4));
  shape.budget_bytes = some_budget_bytes(shape.chunk_bytes, chance);
  shape.kept_bytes = chance.one_in(2) ? shape.budget_bytes : chance.below(4) * shape.chunk_bytes;
  shape.least_ready_bytes =
      chance.one_in(2) ? shape.budget_bytes : chance.below(4) * shape.chunk_bytes;
  shape.pieces = some_piece_sizes(shape.chunk_bytes, chance);
  shape.threads = 1 + static_cast<int>(chance.below(3));
  shape.slots_per_thread =
      1 + static_cast<int>(chance.one_in(4) ? chance.below(16) : chance.below(4));
  shape.most_slots_per_thread =
      chance.one_in(6) ? shape.slots_per_thread * 4 : shape.slots_per_thread;
  draw_faults(shape, chance);
  shape.jitter_drawn = chance.below(8);
  shape.verifies_crc64 = !chance.one_in(8);
  for (std::uint64_t& weight : shape.weights) weight = std::uint64_t{1} << chance.below(6);
  shape.time_passes_one_in = chance.one_in(2) ? 0 : 8 + chance.below(100);
  shape.is_behind_one_in = chance.one_in(2) ? 0 : 2 + chance.below(4);
  if (chance.one_in(4)) {
    shape.slow_one_in = 2 + chance.below(8);
    shape.requests_before = HedgeRule::kRequestsPerHedge * (1 + chance.below(10));
  }
  if (kind == ScheduleKind::kGivingWay) shape.gives_way_one_in = 2 + chance.below(12);
  draw_chances(shape, chance);
  const std::uint64_t count = 1 + chance.below(chance.one_in(4) ? 12 : 4);
  for (std::uint64_t i = 0; i < count; ++i)
    shape.objects.push_back(draw_object(i, shape.object_chances(), chance));
  for (std::uint64_t callers = 1 + chance.below(4); callers > 0; --callers)
    shape.caller_actions.push_back(3 + static_cast<int>(chance.below(12)));
  return shape;
}

}  // namespace ossmc
