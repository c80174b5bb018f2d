// For copies that must write exactly their range: guards on either side of it.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>

namespace ossmc {

inline constexpr std::size_t kGuardBytes = 256;  // on either side
inline constexpr std::byte kGuard{0xA5};

// Before the copy: fills [to, to + size) and its guards.
inline void set_guards(std::byte* to, std::size_t size) {
  std::memset(to - kGuardBytes, static_cast<int>(kGuard), size + 2 * kGuardBytes);
}

// After it: the bytes are there, and the guards as they were.
inline testing::AssertionResult is_exact_copy(const std::byte* to, const std::byte* from,
                                              std::size_t size) {
  if (std::memcmp(to, from, size) != 0) return testing::AssertionFailure() << "other bytes";
  for (std::size_t i = 0; i < kGuardBytes; ++i) {
    if (to[size + i] != kGuard) return testing::AssertionFailure() << i << " bytes behind the end";
    if (*(to - 1 - i) != kGuard) {
      return testing::AssertionFailure() << i + 1 << " bytes before the begin";
    }
  }
  return testing::AssertionSuccess();
}

}  // namespace ossmc
