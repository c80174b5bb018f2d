#include "memory/shared_budget.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <utility>

#include "base/fork_guard.h"
#include "base/wait.h"

namespace ossmc {

namespace {

// Who lacks memory says so again and again (Budget::tell_lack). Who has not for so long lacks none
// any more.
constexpr Duration kReadNeedLasts = std::chrono::milliseconds(100);
constexpr Duration kAheadNeedLasts = std::chrono::milliseconds(250);
// Nobody is called more often: each time is a wake-up.
constexpr Duration kCallAgain = std::chrono::milliseconds(5);

}  // namespace

// A budget's, while it lives. A place is not freed while its listener is being called.
struct SharedBudget::Place {
  BudgetPart* part = nullptr;
  Listener* listener = nullptr;
  int calls = 0;  // in progress
  MemoryNeed need = MemoryNeed::kNone;
  std::uint64_t wanted_bytes = 0;
  std::uint64_t had_bytes = 0;  // when it said so
  std::uint64_t since = 0;      // order in which the needs began
  TimePoint needs_until{};
  TimePoint called_at = TimePoint::min();

  bool needs(TimePoint now) const {
    return needs_until > now &&
           part->used.load(std::memory_order_relaxed) < had_bytes + wanted_bytes;
  }
};

bool try_add(std::atomic<std::uint64_t>& used, std::uint64_t limit, std::uint64_t bytes,
             std::uint64_t keep_free_bytes) {
  std::uint64_t now = used.load(std::memory_order_relaxed);
  do {
    const std::uint64_t free = limit - std::min(limit, now);
    // In this form because a sum could overflow.
    if (bytes > free || keep_free_bytes > free - bytes) return false;
  } while (!used.compare_exchange_weak(now, now + bytes, std::memory_order_relaxed));
  return true;
}

SharedBudget::SharedBudget(std::uint64_t limit_bytes, const Clock& clock)
    : clock_(clock), generation_(fork_generation()), limit_(limit_bytes), full_(limit_bytes) {}

SharedBudget::~SharedBudget() = default;

std::uint64_t SharedBudget::free_bytes() const {
  const std::uint64_t limit = limit_bytes();
  return limit - std::min(limit, used_bytes());
}

void SharedBudget::set_limit(std::uint64_t limit_bytes, std::uint64_t full_bytes) {
  if (is_of_another_process()) return;
  std::vector<Call> calls;
  {
    MutexLock lock(mutex_);
    const std::uint64_t least = least_bytes();
    limit_.store(std::max(limit_bytes, least), std::memory_order_relaxed);
    full_.store(std::max(full_bytes, least), std::memory_order_relaxed);
    calls = share_out();
  }
  call(calls);
}

void SharedBudget::join(BudgetPart& part) {
  MutexLock lock(mutex_);
  places_.push_back(std::make_unique<Place>());
  places_.back()->part = &part;
  find_least();
}

void SharedBudget::leave(BudgetPart& part) {
  if (is_of_another_process()) return;
  views_.fetch_sub(part.views.load(std::memory_order_relaxed), std::memory_order_relaxed);
  MutexLock lock(mutex_);
  assert(place_of(part).listener == nullptr && place_of(part).calls == 0);
  std::erase_if(places_, [&](const auto& place) { return place->part == &part; });
  find_least();
}

void SharedBudget::set_listener(const BudgetPart& part, Listener* listener) {
  if (is_of_another_process()) return;
  while (true) {
    const std::uint32_t ended = calls_ended_.load();
    {
      MutexLock lock(mutex_);
      Place& place = place_of(part);
      place.listener = listener;
      if (place.calls == 0 || listener != nullptr) return;
    }
    futex_wait(calls_ended_, ended, kWaitSlice);
  }
}

void SharedBudget::want(const BudgetPart& part, MemoryNeed need, std::uint64_t wanted_bytes) {
  if (is_of_another_process()) return;
  std::vector<Call> calls;
  {
    MutexLock lock(mutex_);
    const TimePoint now = clock_.now();
    Place& place = place_of(part);
    const bool is_over = !place.needs(now);
    if (is_over || place.need < need) place.since = ++needs_;
    if (is_over || place.need <= need) {
      place.need = need;
      place.wanted_bytes = wanted_bytes;
      place.had_bytes = part.used.load(std::memory_order_relaxed);
      place.needs_until = now + (need == MemoryNeed::kAhead ? kAheadNeedLasts : kReadNeedLasts);
    }
    calls = share_out();
  }
  call(calls);
}

void SharedBudget::tell_given_up() {
  if (is_of_another_process()) return;
  std::vector<Call> calls;
  {
    MutexLock lock(mutex_);
    const TimePoint now = clock_.now();
    for (const auto& place : places_) {
      if (!place->needs(now) || place->listener == nullptr) continue;
      ++place->calls;
      calls.push_back({place.get(), place->listener});
    }
  }
  call(calls);
}

bool SharedBudget::is_of_another_process() const { return fork_generation() != generation_; }

SharedBudget::Place& SharedBudget::place_of(const BudgetPart& part) {
  const auto found = std::find_if(places_.begin(), places_.end(),
                                  [&](const auto& place) { return place->part == &part; });
  assert(found != places_.end());
  return **found;
}

void SharedBudget::find_least() {
  std::uint64_t all = 0;
  std::uint64_t most = 0;
  for (const auto& place : places_) {
    all += place->part->least_bytes;
    most = std::max(most, place->part->least_bytes);
  }
  const std::uint64_t least = std::max(all, 2 * most);
  least_.store(least, std::memory_order_relaxed);
  if (limit_bytes() < least) limit_.store(least, std::memory_order_relaxed);
  if (full_bytes() < least) full_.store(least, std::memory_order_relaxed);
}

std::vector<SharedBudget::Call> SharedBudget::share_out() {
  const TimePoint now = clock_.now();
  std::vector<MemoryUse> uses;
  uses.reserve(places_.size());
  MemoryUse* first = nullptr;
  std::uint64_t first_since = 0;
  for (const auto& place : places_) {
    const BudgetPart& part = *place->part;
    const bool needs = place->needs(now);
    MemoryUse& use = uses.emplace_back();
    use.used_bytes = part.used.load(std::memory_order_relaxed);
    use.consumed_bytes = part.consumed.load(std::memory_order_relaxed);
    use.view_bytes = part.views.load(std::memory_order_relaxed);
    use.least_bytes = part.least_bytes;
    use.need = needs ? place->need : MemoryNeed::kNone;
    use.wanted_bytes = needs ? place->wanted_bytes : 0;
    if (use.need == MemoryNeed::kView && (first == nullptr || place->since < first_since)) {
      first = &use;
      first_since = place->since;
    }
  }
  if (first != nullptr) first->is_first = true;
  const std::vector<std::uint64_t> shares = fair_shares(uses, limit_bytes());
  std::vector<Call> calls;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    Place& place = *places_[i];
    const std::uint64_t before = place.part->share.exchange(shares[i], std::memory_order_relaxed);
    const bool gives = uses[i].used_bytes > shares[i];
    const bool may_have_more = uses[i].need != MemoryNeed::kNone && before < shares[i];
    if (place.listener == nullptr || (!gives && !may_have_more)) continue;
    if (place.called_at > now - kCallAgain) continue;
    place.called_at = now;
    ++place.calls;
    calls.push_back({&place, place.listener});
  }
  return calls;
}

void SharedBudget::call(const std::vector<Call>& calls) {
  if (calls.empty()) return;
  for (const Call& one : calls) one.listener->on_memory_moved();
  {
    MutexLock lock(mutex_);
    for (const Call& one : calls) --one.place->calls;
  }
  calls_ended_.fetch_add(1);
  futex_wake_all(calls_ended_);
}

}  // namespace ossmc
