// Memory limit: how much memory this process may take for chunks when nobody said it.
//
// The free memory is the least of what the machine has available and of what each control group
// above the process still allows, nested ones included, version 2 and version 1. A container's
// limit is such a group.
#pragma once

#include <cstdint>
#include <string>

namespace ossmc {

struct FreeMemory {
  std::uint64_t bytes = 0;  // 0: not known
  std::string source;       // what set it, for the log: "the machine", "cgroup /sys/fs/cgroup/x"
};

// Reads proc/ and the cgroup file systems below `root`, which tests replace by a tree of their own.
FreeMemory measure_free_memory(const std::string& root = "/");

// LOCAL_WORLD_SIZE as torchrun sets it, the number of processes like this one on the machine: 1
// unless `text` is a positive integer.
std::uint64_t processes_from_environment(const char* text);

struct MemoryChoice {
  std::uint64_t bytes = 0;
  std::string reason;  // for the log
};

// Half of what is free, shared by `processes`; at least `minimum_bytes`.
MemoryChoice choose_memory_bytes(const FreeMemory& free, std::uint64_t processes,
                                 std::uint64_t minimum_bytes);

}  // namespace ossmc
