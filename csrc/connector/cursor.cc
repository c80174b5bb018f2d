#include "connector/cursor.h"

namespace ossmc {

CursorLock Cursor::try_lock() {
  if (turn_->is_mine() || !turn_->mutex.try_lock()) return {};
  return CursorLock(*this);
}

Result<CursorLock> Cursor::lock(Interrupt& interrupt) {
  if (turn_->is_mine()) {
    return Status(StatusCode::kInternal,
                  "reentrant call: this thread is in a call that moves the "
                  "cursor of " +
                      printable(object_.uri()) + " already");
  }
  while (!turn_->mutex.try_lock_for(kWaitSlice)) {
    if (interrupt.pending()) return Status(StatusCode::kInterrupted, "interrupted");
  }
  return CursorLock(*this);
}

void Cursor::after_fork_in_child() {
  // Leaked on purpose: a CursorLock of this thread may still refer to it, and give it back.
  static_cast<void>(turn_.release());
  turn_ = std::make_unique<Turn>();
}

}  // namespace ossmc
