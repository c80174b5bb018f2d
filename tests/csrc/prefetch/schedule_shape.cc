#include "csrc/prefetch/schedule_shape.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "base/crc64.h"
#include "prefetch/hedge_rule.h"
#include "support/csrc/pattern.h"

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

std::uint64_t some_size(std::uint64_t chunk_bytes, Chance& chance) {
  const std::uint64_t chunks = chance.one_in(8) ? 1 + chance.below(40) : 1 + chance.below(6);
  switch (chance.below(8)) {
    case 0:
      return chance.below(3);  // empty, or next to it
    case 1:
      return chunks * chunk_bytes - 1;
    case 2:
      return chunks * chunk_bytes;
    case 3:
      return chunks * chunk_bytes + 1;
    case 4:
      return 1 + chance.below(chunk_bytes);
    default:
      return 1 + chance.below(chunks * chunk_bytes);
  }
}

void draw_faults(ScheduleShape& shape, Chance& chance) {
  if (chance.one_in(3)) return;
  shape.faults = static_cast<unsigned>(chance.below(1u << kFaultKinds));
  if (chance.one_in(2)) shape.faults &= static_cast<unsigned>(chance.below(1u << kFaultKinds));
  shape.one_fault_in = chance.one_in(3) ? 2 + chance.below(4) : 8 + chance.below(40);
}

void draw_objects(ScheduleShape& shape, Chance& chance) {
  const std::uint64_t count = 1 + chance.below(chance.one_in(4) ? 12 : 4);
  for (std::uint64_t i = 0; i < count; ++i) {
    StoredObject& object = shape.objects.emplace_back();
    object.key = "o" + std::to_string(i);
    object.fake = {.size = some_size(shape.chunk_bytes, chance),
                   .seed = i + 1,
                   .etag = "E" + std::to_string(i)};
    object.etag_at_first = object.fake.etag;
    object.is_missing = shape.has(kNotFound) && chance.one_in(6);
    if (!chance.one_in(3)) {
      const std::string bytes = pattern_string(object.fake.seed, 0, object.fake.size);
      object.crc = crc64_update(0, bytes.data(), bytes.size());
      if (shape.has(kWrongCrc) && chance.one_in(3)) *object.crc ^= 1;
    }
  }
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
  shape.views_are_asked_for = chance.one_in(3);
  if (chance.one_in(4)) {
    shape.slow_one_in = 2 + chance.below(8);
    shape.requests_before = HedgeRule::kRequestsPerHedge * (1 + chance.below(10));
  }
  if (kind == ScheduleKind::kGivingWay) shape.gives_way_one_in = 2 + chance.below(12);
  draw_objects(shape, chance);
  for (std::uint64_t callers = 1 + chance.below(4); callers > 0; --callers)
    shape.caller_actions.push_back(3 + static_cast<int>(chance.below(12)));
  shape.answers_whole_one_in = chance.one_in(2) ? 0 : 1 + chance.below(3);
  return shape;
}

}  // namespace ossmc
