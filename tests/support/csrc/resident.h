// What the process really has in memory, as the kernel counts it.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <vector>

#include "memory/mapping.h"

namespace ossmc {

inline constexpr std::size_t kKiB = 1u << 10;
inline constexpr std::size_t kMiB = 1u << 20;

// Whether all of [data, data + bytes) has addresses that are in use.
inline bool is_mapped(std::byte* data, std::size_t bytes) {
  return ::msync(data, bytes, MS_ASYNC) == 0;
}

// Resident set size of this process, from /proc/self/statm.
inline std::size_t resident_bytes() {
  std::size_t total_pages = 0;
  std::size_t resident_pages = 0;
  std::ifstream("/proc/self/statm") >> total_pages >> resident_pages;
  return resident_pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// How many pages of [data, data + bytes), which is mapped, are in memory.
inline std::size_t resident_pages(std::byte* data, std::size_t bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages((bytes + page - 1) / page);
  if (::mincore(data, bytes, pages.data()) != 0) return 0;
  return static_cast<std::size_t>(
      std::count_if(pages.begin(), pages.end(), [](unsigned char flags) { return flags & 1; }));
}

// Whether the kernel makes pages when it is asked; before Linux 5.14, when they are written.
inline bool can_populate() {
  std::byte* const probe = map_memory(page_bytes());
  const bool can = populate(probe, page_bytes());
  unmap_memory(probe, page_bytes());
  return can;
}

// Sanitizers keep memory of their own beside the program's, so that its resident set says little.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kResidentIsMeaningful = false;
#else
inline constexpr bool kResidentIsMeaningful = true;
#endif

}  // namespace ossmc
