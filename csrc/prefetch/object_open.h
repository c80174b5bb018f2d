// Opening, as far as it blocks: the first reply of an object, or a HEAD where that cannot tell what
// the object is.
//
// Called by callers' threads, any number at a time.
#pragma once

#include "base/clock.h"
#include "base/status.h"
#include "base/wait.h"
#include "prefetch/scheduler.h"

namespace ossmc {

// Waits until `stream`, which Scheduler::open() gave, is open. `limit`: of the wait and of each
// HEAD. kTransferTimeout, kInterrupted, kClosed, or why the object cannot be opened.
Status wait_until_open(Scheduler& scheduler, ObjectStream& stream, Duration limit,
                       Interrupt& interrupt);

// What HEAD says of an object, within `limit`.
Result<ObjectVersion> head_object(Scheduler& scheduler, const ObjectName& name, Duration limit,
                                  Interrupt& interrupt);

}  // namespace ossmc
