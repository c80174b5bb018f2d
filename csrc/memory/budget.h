// Budget: the limit on chunk memory of one connector, and the tickets that hold parts of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "memory/shared_budget.h"

namespace ossmc {

// Thread-safe; all but the last group lock-free. A hard limit of its own, or a part of one that
// others share: then what is taken is taken from both, and the limit may move.
//
// Holds: nothing is taken that would bring used_bytes() above limit_bytes(). It may be above a
// limit that was lowered.
class Budget {
 public:
  explicit Budget(std::uint64_t limit_bytes);
  // `least_bytes`: so much beside its views it can always have, whatever the others want.
  Budget(std::shared_ptr<SharedBudget> shared, std::uint64_t least_bytes);
  ~Budget();
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // Takes `bytes` if at least `keep_free_bytes` stay free afterwards. Prefetch keeps the reserve of
  // blocked readers free.
  bool try_reserve(std::uint64_t bytes, std::uint64_t keep_free_bytes = 0);
  void release(std::uint64_t bytes);
  // Its own limit: lower than at first where the system has no more; never higher.
  void set_limit(std::uint64_t limit_bytes);

  std::uint64_t limit_bytes() const;
  std::uint64_t used_bytes() const { return part_.used.load(std::memory_order_relaxed); }
  std::uint64_t free_bytes() const;
  std::uint64_t peak_bytes() const { return peak_.load(std::memory_order_relaxed); }
  // To be given up now: its owner looks when it is called and whenever it asks for memory.
  std::uint64_t excess_bytes() const;

  // --- what the others who share are to know; without others it has no effect ---
  void set_consumed_bytes(std::uint64_t bytes);
  void set_view_bytes(std::uint64_t bytes);
  // Of all who share.
  std::uint64_t view_bytes() const;
  // Nothing could go for something: tell_lack() shall say so.
  void note_lack(MemoryNeed need, std::uint64_t wanted_bytes);
  // A lack was noted, though alone it could have so much.
  bool is_squeezed(std::uint64_t bytes) const;

  // --- under no lock: these call listeners ---
  // Null: nobody. When it has returned, the one of before is not called any more. REQUIRES: null
  // before the budget goes.
  void set_listener(SharedBudget::Listener* listener);
  // Says what was noted since the last call. After how long its owner is to ask for memory again,
  // and to say so if it still lacks; zero: nothing was noted, or others are not why.
  Duration tell_lack();
  void tell_given_up();

 private:
  std::uint64_t own_limit() const;

  const std::shared_ptr<SharedBudget> shared_;  // null: it has none
  BudgetPart part_;
  const std::uint64_t full_bytes_;
  std::atomic<std::uint64_t> limit_;
  std::atomic<std::uint64_t> peak_{0};
  std::atomic<MemoryNeed> lack_{MemoryNeed::kNone};
  std::atomic<std::uint64_t> lack_bytes_{0};
};

// A part of the budget, given back on destruction. Move-only; not thread-safe itself. Keeps the
// budget alive.
class Ticket {
 public:
  Ticket() = default;
  Ticket(Ticket&& other) noexcept
      : budget_(std::move(other.budget_)), bytes_(std::exchange(other.bytes_, 0)) {}
  Ticket& operator=(Ticket&& other) noexcept;
  ~Ticket() { reset(); }

  // An empty ticket when the budget has no room.
  static Ticket try_take(std::shared_ptr<Budget> budget, std::uint64_t bytes,
                         std::uint64_t keep_free_bytes = 0);

  explicit operator bool() const { return budget_ != nullptr; }
  std::uint64_t bytes() const { return bytes_; }
  void shrink_to(std::uint64_t bytes);  // REQUIRES: bytes <= bytes()
  void absorb(Ticket&& other);  // becomes the sum; REQUIRES: the same budget, or *this is empty
  void reset();

 private:
  std::shared_ptr<Budget> budget_;
  std::uint64_t bytes_ = 0;
};

}  // namespace ossmc
