// ThreadLoad: how much of its time a thread uses, or would use, a processor.
#pragma once

#include "base/clock.h"

namespace ossmc {

// Thread-safe. Must outlive everything that was given it.
class ThreadLoad {
 public:
  virtual ~ThreadLoad() = default;
  // Of the calling thread since it began: the time in which it ran, or was ready to run and waited
  // for a processor. System calls: not for every byte.
  virtual Duration busy_time() const = 0;
};

// What the kernel tells. One instance for the process.
const ThreadLoad& system_thread_load();

}  // namespace ossmc
