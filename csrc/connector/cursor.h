// Cursor: a position in an object, and the right to use it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "base/status.h"
#include "base/timed_mutex.h"
#include "base/wait.h"
#include "protocol/object_name.h"

namespace ossmc {

class CursorLock;

// Thread-safe: calls that use the position take turns. Each holds the lock until it is done, though
// it may wait for the network meanwhile. Clang's analysis cannot follow a lock that moves into its
// caller's hands: what the type of CursorLock tells stands in for it.
class Cursor {
 public:
  // Of the object with this name, which outlives it.
  explicit Cursor(const ObjectName& object) : object_(object), turn_(std::make_unique<Turn>()) {}

  // Never waits; the lock may own nothing.
  CursorLock try_lock() OSSMC_NO_THREAD_SAFETY_ANALYSIS;
  // kInterrupted. kInternal: this thread has it already (a signal handler that uses the reader it
  // interrupted).
  Result<CursorLock> lock(Interrupt& interrupt) OSSMC_NO_THREAD_SAFETY_ANALYSIS;

  // In a forked child, where whoever held the lock may not be there. The position stays.
  void after_fork_in_child();

 private:
  friend class CursorLock;

  // Replaced as a whole in a forked child.
  struct Turn {
    TimedMutex mutex;
    std::atomic<std::thread::id> owner{};  // relaxed: a thread looks only for itself
    bool is_mine() const {
      return owner.load(std::memory_order_relaxed) == std::this_thread::get_id();
    }
  };

  const ObjectName& object_;
  std::unique_ptr<Turn> turn_;
  std::uint64_t position_ OSSMC_GUARDED_BY(turn_->mutex) = 0;
};

// The right to use a cursor, and the only way to its position. Given back on destruction, by the
// thread that got it.
class CursorLock {
 public:
  CursorLock() = default;
  CursorLock(CursorLock&& other) noexcept
      : cursor_(other.cursor_), turn_(std::exchange(other.turn_, nullptr)) {}
  CursorLock& operator=(CursorLock&&) = delete;
  CursorLock(const CursorLock&) = delete;
  CursorLock& operator=(const CursorLock&) = delete;
  ~CursorLock() OSSMC_NO_THREAD_SAFETY_ANALYSIS {
    if (turn_ == nullptr) return;
    turn_->owner.store({}, std::memory_order_relaxed);
    turn_->mutex.unlock();
  }

  bool owns_lock() const { return turn_ != nullptr; }
  // REQUIRES: owns_lock().
  std::uint64_t position() const OSSMC_NO_THREAD_SAFETY_ANALYSIS { return cursor_->position_; }
  void set_position(std::uint64_t position) OSSMC_NO_THREAD_SAFETY_ANALYSIS {
    cursor_->position_ = position;
  }

 private:
  friend class Cursor;
  // REQUIRES: this thread has just locked it.
  explicit CursorLock(Cursor& locked) : cursor_(&locked), turn_(locked.turn_.get()) {
    turn_->owner.store(std::this_thread::get_id(), std::memory_order_relaxed);
  }

  Cursor* cursor_ = nullptr;
  Cursor::Turn* turn_ = nullptr;  // null: owns nothing; in a child of fork the one of before
};

}  // namespace ossmc
