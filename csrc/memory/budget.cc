#include "memory/budget.h"

#include <cassert>

namespace ossmc {

// All orders are relaxed: the numbers alone are shared here, memory itself is handed over by the
// pool and the chunks.
bool Budget::try_reserve(std::uint64_t bytes, std::uint64_t keep_free_bytes) {
  std::uint64_t used = used_.load(std::memory_order_relaxed);
  do {
    const std::uint64_t free = limit_bytes_ - used;
    // In this form because a sum could overflow.
    if (bytes > free || keep_free_bytes > free - bytes) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));

  std::uint64_t peak = peak_.load(std::memory_order_relaxed);
  while (peak < used + bytes &&
         !peak_.compare_exchange_weak(peak, used + bytes, std::memory_order_relaxed)) {
  }
  return true;
}

void Budget::release(std::uint64_t bytes) {
  [[maybe_unused]] const std::uint64_t before = used_.fetch_sub(bytes, std::memory_order_relaxed);
  assert(before >= bytes);
}

Ticket& Ticket::operator=(Ticket&& other) noexcept {
  if (this != &other) {
    reset();
    budget_ = std::move(other.budget_);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

Ticket Ticket::try_take(std::shared_ptr<Budget> budget, std::uint64_t bytes,
                        std::uint64_t keep_free_bytes) {
  Ticket ticket;
  if (budget->try_reserve(bytes, keep_free_bytes)) {
    ticket.budget_ = std::move(budget);
    ticket.bytes_ = bytes;
  }
  return ticket;
}

void Ticket::shrink_to(std::uint64_t bytes) {
  assert(bytes <= bytes_);
  if (bytes < bytes_) budget_->release(bytes_ - bytes);
  bytes_ = bytes;
}

void Ticket::absorb(Ticket&& other) {
  if (!other) return;
  if (!*this) {
    *this = std::move(other);
    return;
  }
  assert(budget_ == other.budget_);
  bytes_ += std::exchange(other.bytes_, 0);
  other.budget_.reset();
}

void Ticket::reset() {
  if (budget_ == nullptr) return;
  budget_->release(std::exchange(bytes_, 0));
  budget_.reset();
}

}  // namespace ossmc
