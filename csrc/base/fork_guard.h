// Fork guard: tells a process apart from the one in which an object was made.
//
// Threads, sockets and locks do not survive fork(). Objects that own such remember
// fork_generation() at construction; when it has changed they belong to the parent and must be left
// alone (leaked), never used or destroyed.
#pragma once

#include <cstdint>

namespace ossmc {

// Number of forks between the program's start and this process. One relaxed atomic load; counted by
// pthread_atfork.
std::uint64_t fork_generation();

}  // namespace ossmc
