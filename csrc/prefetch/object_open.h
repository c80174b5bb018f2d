// Opening, as far as it blocks.
//
// Called by callers' threads, any number at a time.
#pragma once

#include "base/clock.h"
#include "base/status.h"
#include "base/wait.h"
#include "prefetch/scheduler.h"

namespace ossmc {

// Waits until `stream`, which OpenObjects::open() gave, is open, at most `limit`. kTransferTimeout,
// kInterrupted, kClosed, or why the object cannot be opened.
Status wait_until_open(Scheduler& scheduler, ObjectStream& stream, Duration limit,
                       Interrupt& interrupt);

// What HEAD says of an object, within `limit`.
Result<ObjectVersion> head_object(Scheduler& scheduler, const ObjectName& name, Duration limit,
                                  Interrupt& interrupt);

}  // namespace ossmc
