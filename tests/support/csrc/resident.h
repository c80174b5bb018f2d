// What the process really has in memory, as the kernel counts it.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <fstream>

namespace ossmc {

// Resident set size of this process, from /proc/self/statm.
inline std::size_t resident_bytes() {
  std::size_t total_pages = 0;
  std::size_t resident_pages = 0;
  std::ifstream("/proc/self/statm") >> total_pages >> resident_pages;
  return resident_pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// Sanitizers keep memory of their own beside the program's, so that its resident set says little.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kResidentIsMeaningful = false;
#else
inline constexpr bool kResidentIsMeaningful = true;
#endif

}  // namespace ossmc
