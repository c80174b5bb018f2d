#include "memory/fair_shares.h"

#include <algorithm>
#include <cstddef>

namespace ossmc {

namespace {

// So much beyond what is kept free for reads comes free at a time: what is asked for once a chunk
// would cost a wake-up of another's thread each time.
constexpr std::uint64_t kStepBytes = 64u << 20;

std::uint64_t less(std::uint64_t bytes, std::uint64_t others) {
  return bytes - std::min(bytes, others);
}

std::uint64_t sum(std::uint64_t a, std::uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

// part * whole / all, rounded up. REQUIRES: part <= all, all > 0.
std::uint64_t portion(std::uint64_t part, std::uint64_t whole, std::uint64_t all) {
  const double exact =
      static_cast<double>(part) * (static_cast<double>(whole) / static_cast<double>(all));
  return std::min(part, static_cast<std::uint64_t>(exact) + 1);
}

class Sharing {
 public:
  Sharing(std::span<const MemoryUse> members, std::uint64_t limit)
      : members_(members), limit_(limit), gives_(members.size(), 0) {
    std::uint64_t used = 0;
    for (const MemoryUse& member : members) {
      used = sum(used, member.used_bytes);
      needs_ = std::max(needs_, member.need);
      most_wanted_ = std::max(most_wanted_, member.wanted_bytes);
    }
    over_ = less(used, limit);
    if (needs_ == MemoryNeed::kNone) return;
    const std::uint64_t wanted = sum(most_wanted_, std::min(limit / 2, limit / 16 + kStepBytes));
    wanted_ = less(wanted, less(limit, used));
  }

  std::vector<std::uint64_t> shares() {
    std::vector<std::uint64_t> result(members_.size(), kNoShareLimit);
    if (over_ == 0 && needs_ == MemoryNeed::kNone) return result;
    std::uint64_t wanted = less(wanted_, give_consumed(wanted_, false));
    const std::uint64_t given = wanted_ - wanted;
    const std::uint64_t over = less(over_, given);
    const std::uint64_t still_over = less(over, give_consumed(over, true));
    if (needs_ < MemoryNeed::kRead) wanted = 0;
    const bool by_level = wanted > 0 || still_over > 0;
    const std::uint64_t level = by_level ? find_level() : 0;
    if (by_level) give_above(level, std::max(wanted, still_over));
    for (std::size_t i = 0; i < members_.size(); ++i) {
      const std::uint64_t left = members_[i].used_bytes - gives_[i];
      if (members_[i].need >= MemoryNeed::kRead) {
        if (by_level) result[i] = std::max(least(i), level);
      } else if (gives_[i] > 0 || needs_ >= MemoryNeed::kRead) {
        // Who does not need it leaves what comes free to who does.
        result[i] = std::max(least(i), left);
      }
    }
    return result;
  }

 private:
  std::uint64_t consumed_left(std::size_t i) const {
    const std::uint64_t may_go = less(members_[i].used_bytes, least(i));
    return less(std::min(members_[i].consumed_bytes, may_go), gives_[i]);
  }
  // What no level takes from it.
  std::uint64_t least(std::size_t i) const {
    const MemoryUse& member = members_[i];
    if (member.is_first) return sum(member.used_bytes, member.wanted_bytes);
    return sum(member.view_bytes, member.least_bytes);
  }
  std::uint64_t at_level(std::size_t i, std::uint64_t level) const {
    const std::uint64_t most =
        members_[i].need >= MemoryNeed::kRead ? limit_ : members_[i].used_bytes - gives_[i];
    return std::clamp(level, std::min(least(i), most), most);
  }

  // In proportion. How much that is.
  std::uint64_t give_consumed(std::uint64_t wanted, bool needy_too) {
    const auto takes_part = [&](std::size_t i) {
      return needy_too || members_[i].need == MemoryNeed::kNone;
    };
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (takes_part(i)) all = sum(all, consumed_left(i));
    }
    const std::uint64_t taken = std::min(wanted, all);
    if (taken == 0) return 0;
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (takes_part(i)) gives_[i] += portion(consumed_left(i), taken, all);
    }
    return taken;
  }

  // The highest at which all together have no more than the limit.
  std::uint64_t find_level() const {
    std::uint64_t low = 0;
    std::uint64_t high = limit_;
    while (low < high) {
      const std::uint64_t middle = low + (high - low + 1) / 2;
      std::uint64_t all = 0;
      for (std::size_t i = 0; i < members_.size(); ++i) all = sum(all, at_level(i, middle));
      if (all <= limit_) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }

  void give_above(std::uint64_t level, std::uint64_t wanted) {
    std::uint64_t all = 0;
    const auto above = [&](std::size_t i) {
      return less(members_[i].used_bytes - gives_[i], at_level(i, level));
    };
    for (std::size_t i = 0; i < members_.size(); ++i) all = sum(all, above(i));
    const std::uint64_t taken = std::min(wanted, all);
    if (taken == 0) return;
    for (std::size_t i = 0; i < members_.size(); ++i) gives_[i] += portion(above(i), taken, all);
  }

  const std::span<const MemoryUse> members_;
  const std::uint64_t limit_;
  std::vector<std::uint64_t> gives_;
  MemoryNeed needs_ = MemoryNeed::kNone;
  std::uint64_t most_wanted_ = 0;
  std::uint64_t over_ = 0;
  std::uint64_t wanted_ = 0;
};

}  // namespace

std::vector<std::uint64_t> fair_shares(std::span<const MemoryUse> members,
                                       std::uint64_t limit_bytes) {
  return Sharing(members, limit_bytes).shares();
}

}  // namespace ossmc
