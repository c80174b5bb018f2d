// Ctrl-C: the first one ends what is waited for, the second one the program.
#pragma once

#include "base/wait.h"

namespace ossmc::bench {

// Handles SIGINT and SIGTERM from the first call on. Any thread.
Interrupt& ctrl_c();

}  // namespace ossmc::bench
