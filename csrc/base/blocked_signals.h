// BlockedSignals: a thread that is started meanwhile has the signals blocked.
#pragma once

#include <signal.h>

namespace ossmc {

// Signals are for the program's threads, and a new thread starts with its maker's mask. A fault of
// the thread's own must stay reportable.
class BlockedSignals {
 public:
  BlockedSignals();
  ~BlockedSignals();
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace ossmc
