// Lister: a listing in progress, whichever way it is done.
#pragma once

#include "base/status.h"
#include "base/wait.h"
#include "listing/object_columns.h"

namespace ossmc {

// Used by one thread at a time.
class Lister {
 public:
  virtual ~Lister() = default;
  // Waits for a page and appends its rows, and those of other pages that have come. False: that
  // was all. After an error it is of no use.
  virtual Result<bool> next_rows(ObjectColumns& rows, Interrupt& interrupt) = 0;
};

// All that is left of it.
Result<ObjectColumns> list_all(Lister& lister, Interrupt& interrupt);

}  // namespace ossmc
