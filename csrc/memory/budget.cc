#include "memory/budget.h"

#include <algorithm>
#include <cassert>

namespace ossmc {

namespace {

// Nobody tells of all memory that comes free; where nobody waits for it there is time.
constexpr Duration kReadLooksAgain = std::chrono::milliseconds(10);
constexpr Duration kAheadLooksAgain = std::chrono::milliseconds(100);

}  // namespace

// All orders are relaxed: the numbers alone are shared here, memory itself is handed over by the
// pool and the chunks.

Budget::Budget(std::uint64_t limit_bytes) : full_bytes_(limit_bytes), limit_(limit_bytes) {}

Budget::Budget(std::shared_ptr<SharedBudget> shared, std::uint64_t least_bytes)
    : shared_(std::move(shared)), full_bytes_(kNoShareLimit), limit_(kNoShareLimit) {
  part_.least_bytes = least_bytes;
  shared_->join(part_);
}

// With the last ticket, so nothing is used.
Budget::~Budget() {
  if (shared_ != nullptr) shared_->leave(part_);
}

bool Budget::try_reserve(std::uint64_t bytes, std::uint64_t keep_free_bytes) {
  if (!try_add(part_.used, own_limit(), bytes, keep_free_bytes)) return false;
  if (shared_ != nullptr &&
      !try_add(shared_->used_, shared_->limit_bytes(), bytes, keep_free_bytes)) {
    part_.used.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }
  const std::uint64_t used = used_bytes();
  std::uint64_t peak = peak_.load(std::memory_order_relaxed);
  while (peak < used && !peak_.compare_exchange_weak(peak, used, std::memory_order_relaxed)) {
  }
  return true;
}

void Budget::release(std::uint64_t bytes) {
  if (shared_ != nullptr) shared_->used_.fetch_sub(bytes, std::memory_order_relaxed);
  [[maybe_unused]] const std::uint64_t before =
      part_.used.fetch_sub(bytes, std::memory_order_relaxed);
  assert(before >= bytes);
}

void Budget::set_limit(std::uint64_t limit_bytes) {
  limit_.store(std::min(limit_bytes, full_bytes_), std::memory_order_relaxed);
}

std::uint64_t Budget::own_limit() const {
  return std::min(limit_.load(std::memory_order_relaxed),
                  part_.share.load(std::memory_order_relaxed));
}

std::uint64_t Budget::limit_bytes() const {
  const std::uint64_t limit = limit_.load(std::memory_order_relaxed);
  return shared_ == nullptr ? limit : std::min(limit, shared_->limit_bytes());
}

std::uint64_t Budget::free_bytes() const {
  const std::uint64_t limit = own_limit();
  const std::uint64_t free = limit - std::min(limit, used_bytes());
  return shared_ == nullptr ? free : std::min(free, shared_->free_bytes());
}

std::uint64_t Budget::excess_bytes() const {
  const std::uint64_t used = used_bytes();
  return used - std::min(used, own_limit());
}

void Budget::set_consumed_bytes(std::uint64_t bytes) {
  part_.consumed.store(bytes, std::memory_order_relaxed);
}

void Budget::set_view_bytes(std::uint64_t bytes) {
  const std::uint64_t before = part_.views.exchange(bytes, std::memory_order_relaxed);
  // The difference may be negative: unsigned sums come round to the right number.
  if (shared_ != nullptr) shared_->views_.fetch_add(bytes - before, std::memory_order_relaxed);
}

std::uint64_t Budget::view_bytes() const {
  return shared_ == nullptr ? part_.views.load(std::memory_order_relaxed) : shared_->view_bytes();
}

void Budget::note_lack(MemoryNeed need, std::uint64_t wanted_bytes) {
  if (shared_ == nullptr || need < lack_.load(std::memory_order_relaxed)) return;
  lack_bytes_.store(wanted_bytes, std::memory_order_relaxed);
  lack_.store(need, std::memory_order_relaxed);
}

bool Budget::is_squeezed(std::uint64_t bytes) const {
  if (lack_.load(std::memory_order_relaxed) == MemoryNeed::kNone) return false;
  const std::uint64_t alone =
      std::min(limit_.load(std::memory_order_relaxed), shared_->full_bytes());
  const std::uint64_t free = alone - std::min(alone, used_bytes());
  return bytes <= free;
}

void Budget::set_listener(SharedBudget::Listener* listener) {
  if (shared_ != nullptr) shared_->set_listener(part_, listener);
}

Duration Budget::tell_lack() {
  const MemoryNeed need = lack_.exchange(MemoryNeed::kNone, std::memory_order_relaxed);
  if (need == MemoryNeed::kNone) return Duration::zero();
  const bool is_alone = shared_->used_bytes() <= used_bytes();
  if (is_alone && shared_->limit_bytes() >= shared_->full_bytes()) return Duration::zero();
  shared_->want(part_, need, lack_bytes_.load(std::memory_order_relaxed));
  return need == MemoryNeed::kAhead ? kAheadLooksAgain : kReadLooksAgain;
}

void Budget::tell_given_up() {
  if (shared_ != nullptr) shared_->tell_given_up();
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
