// Budget: the hard limit on chunk memory of this process, and the tickets that hold parts of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace ossmc {

// Thread-safe, lock-free. Invariant: used_bytes() never passes limit_bytes().
class Budget {
 public:
  explicit Budget(std::uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // Takes `bytes` if at least `keep_free_bytes` stay free afterwards. Prefetch keeps the reserve of
  // blocked readers free.
  bool try_reserve(std::uint64_t bytes, std::uint64_t keep_free_bytes = 0);
  void release(std::uint64_t bytes);

  std::uint64_t limit_bytes() const { return limit_bytes_; }
  std::uint64_t used_bytes() const { return used_.load(std::memory_order_relaxed); }
  std::uint64_t free_bytes() const { return limit_bytes_ - used_bytes(); }
  std::uint64_t peak_bytes() const { return peak_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t limit_bytes_;
  std::atomic<std::uint64_t> used_{0};
  std::atomic<std::uint64_t> peak_{0};
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
