// The check of an object by its CRC-64, without keeping a byte.
#pragma once

#include "base/status.h"
#include "base/wait.h"
#include "connector/connector.h"

namespace ossmc {

// Receives all of an object. True: its CRC-64 is right; false: the server tells none. kChecksum: it
// is wrong, twice. Blocks; any thread.
Result<bool> verify_object(Connector& connector, const ObjectToOpen& object, Interrupt& interrupt);

}  // namespace ossmc
