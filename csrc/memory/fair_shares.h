// Fair shares: how much each of those who share one budget may have, when one of them finds no
// memory or when the budget was lowered.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ossmc {

enum class MemoryNeed : std::uint8_t {
  kNone,
  kAhead,  // for bytes that nobody waits for: what others have read goes for them
  kRead,   // a read waits or goes on: what others have fetched ahead goes too
  kView,   // the same, and nothing less than all that is missing will do
};

struct MemoryUse {
  std::uint64_t used_bytes = 0;
  std::uint64_t consumed_bytes = 0;  // of these: was read, and goes first
  std::uint64_t view_bytes = 0;      // of these: cannot go
  std::uint64_t least_bytes = 0;     // so much beside its views may it always have
  MemoryNeed need = MemoryNeed::kNone;
  std::uint64_t wanted_bytes = 0;  // at once, for what it needs
  bool is_first = false;           // it has needed kView for longest: it gets what is missing
};

inline constexpr std::uint64_t kNoShareLimit = UINT64_MAX;

// Up to how many bytes each may have from now on; what it has beyond that it gives up.
// kNoShareLimit: nothing is asked of it. Pure.
//
// Consumed bytes go first, in proportion. If they are not enough, and a read needs memory or the
// sum is above the limit, those give up who have more than a level, which is the same for all: as
// water stands in vessels that are joined.
std::vector<std::uint64_t> fair_shares(std::span<const MemoryUse> members,
                                       std::uint64_t limit_bytes);

}  // namespace ossmc
