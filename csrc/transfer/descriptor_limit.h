// Descriptors that the system refuses: how to tell, and what to say of it.
#pragma once

#include <cerrno>
#include <string>

#include "base/status.h"

namespace ossmc {

// Of a system call that got no descriptor: the process, or the system, has as many as it may.
constexpr bool is_descriptor_shortage(int error) { return error == EMFILE || error == ENFILE; }

// The error with which the system refuses that many descriptors now, 0: it does not. For what does
// not say why it failed, as libcurl does not of a name or a file of authorities. Ask for a few, for
// what failed has given back its own by now. They are taken for a moment.
int find_descriptor_shortage(int count = 4) noexcept;

// "Too many open files: the process may have 64 descriptors (ulimit -n): raise it, ulimit -n
// 65536".
std::string describe_descriptor_shortage(int error);
// The error for a caller: kConnect.
Status descriptor_shortage(const std::string& what, int error);

}  // namespace ossmc
