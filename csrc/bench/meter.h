// Meter: what this process has spent so far: time, CPU, faults, switches, system calls; and its
// peak memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"

namespace ossmc::bench {

// Since the process began, save `at`.
struct Usage {
  TimePoint at{};
  double user_seconds = 0.0;
  double system_seconds = 0.0;
  std::uint64_t minor_faults = 0;
  std::uint64_t major_faults = 0;
  std::uint64_t voluntary_switches = 0;
  std::uint64_t involuntary_switches = 0;
  std::optional<std::uint64_t> syscalls;  // nothing: the kernel does not let us count
};

// System calls of this thread and all threads started by it later, counted by the kernel
// (perf_event_open); needs the right to do so, as root or with kernel.perf_event_paranoid -1.
class SyscallCounter {
 public:
  SyscallCounter();
  ~SyscallCounter();
  SyscallCounter(const SyscallCounter&) = delete;
  SyscallCounter& operator=(const SyscallCounter&) = delete;

  std::optional<std::uint64_t> count() const;
  // Empty: they are counted.
  const std::string& why_not() const { return why_not_; }

 private:
  int fd_ = -1;
  std::string why_not_;
};

// Made before any other thread is, since only threads that come later are counted. Any thread.
class Meter {
 public:
  Usage usage() const;
  // Why Usage::syscalls is nothing; empty: it is not.
  const std::string& why_no_syscalls() const { return syscalls_.why_not(); }

  std::uint64_t resident_bytes() const;
  // Peak memory counts from here on, where the kernel allows it. False: from the process's start.
  bool restart_peak();
  std::uint64_t peak_bytes() const;

 private:
  const SyscallCounter syscalls_;
};

}  // namespace ossmc::bench
