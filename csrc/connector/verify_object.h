// The check of an object by its CRC-64, without keeping a byte.
#pragma once

#include <string_view>

#include "base/status.h"
#include "base/wait.h"
#include "connector/connector.h"

namespace ossmc {

// Receives all of an object. What ObjectReader::verified() says then. kChecksum: it is wrong,
// twice. Blocks; any thread.
Result<std::string_view> verify_object(Connector& connector, const ObjectToOpen& object,
                                       Interrupt& interrupt);

}  // namespace ossmc
