// ReadOptions: what reads of one kind have in common.
#pragma once

#include "base/clock.h"

namespace ossmc {

struct ReadOptions {
  // The longest a read may go without one new byte that it waits for.
  Duration progress_limit = std::chrono::seconds(180);
  // A read of a cursor that moves forward: what lies behind it is read ahead.
  bool sequential = false;
  // What is not in memory may be received in the caller's (prefetch/pieces.h).
  bool pieces = false;
  // The same bytes are read once more at once: they are kept nearby, however few.
  bool is_look = false;
};

}  // namespace ossmc
