#include "memory/copy_out.h"

#include <cstdint>
#include <cstring>

#include "memory/line_copy.h"

namespace ossmc {

namespace {

// Wider than where it was seen to be slow (1 to 31 bytes, 4 to 448 KiB): glibc takes the limits of
// its range from the processor. What is copied here in vain loses next to nothing.
constexpr std::size_t kSlowDistances = 64;
constexpr std::size_t kSlowPeriod = 4096;  // the processor's, whatever a page of the system is
constexpr std::size_t kSlowFromBytes = 2048;
constexpr std::size_t kSlowToBytes = std::size_t{2} << 20;

bool is_slow(const std::byte* to, const std::byte* from, std::size_t size) {
  const std::size_t distance =
      (reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(from)) % kSlowPeriod;
  return distance > 0 && distance < kSlowDistances && size >= kSlowFromBytes && size < kSlowToBytes;
}

}  // namespace

void copy_out(std::byte* to, const std::byte* from, std::size_t size) {
  if (is_slow(to, from, size)) {
    copy_by_lines<Stores::kOrdinary>(to, from, size);
  } else {
    std::memcpy(to, from, size);
  }
}

}  // namespace ossmc
