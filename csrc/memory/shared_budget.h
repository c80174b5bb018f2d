// SharedBudget: one limit on chunk memory for many budgets, which may be moved while it is in use.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "memory/fair_shares.h"

namespace ossmc {

// What one budget has of it. Owned by the Budget, which alone moves the first three; relaxed: they
// are numbers, memory itself is handed over by the pool and the chunks.
struct BudgetPart {
  std::uint64_t least_bytes = 0;  // constant; so much beside its views may it always have
  std::atomic<std::uint64_t> used{0};
  std::atomic<std::uint64_t> consumed{0};
  std::atomic<std::uint64_t> views{0};
  // Up to here may `used` go; what is above is to be given up. Set by the shared budget.
  std::atomic<std::uint64_t> share{kNoShareLimit};
};

// Thread-safe. The process has one (connector/memory_arbiter.h), which its budgets keep alive. A
// forked child makes its own: there only used bytes of the old one are counted, which views give
// back that it inherited.
//
// Holds: used_bytes() never passes what limit_bytes() was when they were taken; nobody is called
// under a lock.
class SharedBudget {
 public:
  // A budget's owner. Called by any thread, under no lock; does not block.
  class Listener {
   public:
    // There is something to give up, or memory came free for who found none.
    virtual void on_memory_moved() noexcept = 0;

   protected:
    ~Listener() = default;
  };

  SharedBudget(std::uint64_t limit_bytes, const Clock& clock);
  ~SharedBudget();
  SharedBudget(const SharedBudget&) = delete;
  SharedBudget& operator=(const SharedBudget&) = delete;

  std::uint64_t limit_bytes() const { return limit_.load(std::memory_order_relaxed); }
  // What the limit is while nobody else wants the memory.
  std::uint64_t full_bytes() const { return full_.load(std::memory_order_relaxed); }
  std::uint64_t used_bytes() const { return used_.load(std::memory_order_relaxed); }
  std::uint64_t free_bytes() const;
  std::uint64_t view_bytes() const { return views_.load(std::memory_order_relaxed); }
  // The limit is never less: all that share can go on.
  std::uint64_t least_bytes() const { return least_.load(std::memory_order_relaxed); }

  // Called now and then, with the limits as they were if need be: shares of needs that have passed
  // end here. If less than is used, it is given up by those who have it.
  void set_limit(std::uint64_t limit_bytes, std::uint64_t full_bytes);

 private:
  friend class Budget;  // moves used_ and views_ along with its own part
  struct Place;
  struct Call {
    Place* place;
    Listener* listener;
  };

  // --- by a Budget ---
  void join(BudgetPart& part);
  void leave(BudgetPart& part);
  // When it has returned, the one of before is not called any more.
  void set_listener(const BudgetPart& part, Listener* listener);
  // It lacks so much, and has nothing to give up for it itself.
  void want(const BudgetPart& part, MemoryNeed need, std::uint64_t wanted_bytes);
  // Somebody gave up what was asked for.
  void tell_given_up();

  bool is_of_another_process() const;
  Place& place_of(const BudgetPart& part) OSSMC_REQUIRES(mutex_);
  void find_least() OSSMC_REQUIRES(mutex_);
  std::vector<Call> share_out() OSSMC_REQUIRES(mutex_);  // whom to call then
  void call(const std::vector<Call>& calls) OSSMC_EXCLUDES(mutex_);

  const Clock& clock_;
  const std::uint64_t generation_;
  std::atomic<std::uint64_t> limit_;
  std::atomic<std::uint64_t> full_;
  std::atomic<std::uint64_t> used_{0};
  std::atomic<std::uint64_t> views_{0};
  std::atomic<std::uint64_t> least_{0};
  std::atomic<std::uint32_t> calls_ended_{0};  // futex word

  Mutex mutex_;
  std::vector<std::unique_ptr<Place>> places_ OSSMC_GUARDED_BY(mutex_);
  std::uint64_t needs_ OSSMC_GUARDED_BY(mutex_) = 0;  // that began so far
};

// Takes `bytes` from `used` if at least `keep_free_bytes` stay free below the limit.
bool try_add(std::atomic<std::uint64_t>& used, std::uint64_t limit, std::uint64_t bytes,
             std::uint64_t keep_free_bytes);

}  // namespace ossmc
