// Memory limit: how much memory the machine and the control groups above this process have left.
//
// The free memory is the least of what the machine has available and of what each control group
// above the process still allows, nested ones included, version 2 and version 1. A container's
// limit is such a group.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ossmc {

struct FreeMemory {
  std::uint64_t bytes = 0;  // 0: not known
  std::string source;       // what set it, for the log: "the machine", "cgroup /sys/fs/cgroup/x"
  // What may be taken at the most so that everywhere the margin stays free; below 0: so much is to
  // be given back.
  std::int64_t room_bytes = 0;
};

// What is left to others where so much is the limit: 1/8 of it and at least 256 MiB, but no more
// than 1/4 where the limit is below 1 GiB.
std::uint64_t memory_margin(std::uint64_t limit_bytes);

// Measures again and again: keeps the places where to look. By one thread at a time.
class FreeMemoryGauge {
 public:
  // Reads proc/ and the cgroup file systems below `root`, which tests replace by a tree of their
  // own.
  explicit FreeMemoryGauge(std::string root = "/");

  // Where a file cannot be opened for want of a descriptor, the place is as it was. Finds the
  // groups anew when the process has been moved to others.
  FreeMemory measure();

 private:
  struct Place {
    std::string source;
    std::vector<std::string> limits;  // files: the least of them counts
    std::string used;
    std::string details;
    bool is_v2 = false;
    // As last seen.
    bool has_limit = false;
    std::uint64_t limit_bytes = 0;
    std::uint64_t free_bytes = 0;
  };
  void find_groups();
  void measure_machine();
  static void measure_group(Place& group);

  std::string root_;         // constant; empty: the real one
  std::string groups_text_;  // proc/self/cgroup, as of find_groups()
  Place machine_;
  std::vector<Place> groups_;
};

FreeMemory measure_free_memory(const std::string& root = "/");

// LOCAL_WORLD_SIZE as torchrun sets it, the number of processes like this one on the machine: 1
// unless `text` is a positive integer.
std::uint64_t processes_from_environment(const char* text);

}  // namespace ossmc
