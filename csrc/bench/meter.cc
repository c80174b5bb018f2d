#include "bench/meter.h"

#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <limits>
#include <string>
#include <system_error>

namespace ossmc::bench {

namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

rusage own_usage() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage;
}

// The kernel's number for the event at the start of every system call; nothing where tracefs is not
// there or not for us.
std::optional<std::uint64_t> syscall_event() {
  for (const char* const root : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
    std::ifstream file(std::string(root) + "/events/raw_syscalls/sys_enter/id");
    std::uint64_t number = 0;
    if (file >> number) return number;
  }
  return std::nullopt;
}

// A line of /proc/self/status that is given in kB; 0: there is none.
std::uint64_t status_bytes(const std::string& name) {
  std::ifstream file("/proc/self/status");
  std::string word;
  while (file >> word) {
    std::uint64_t kilobytes = 0;
    if (word == name + ":" && file >> kilobytes) return kilobytes * 1024;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

}  // namespace

SyscallCounter::SyscallCounter() {
  const std::optional<std::uint64_t> event = syscall_event();
  if (!event) {
    why_not_ = "tracefs is not mounted, or not for this user to read";
    return;
  }
  perf_event_attr attributes{};
  attributes.type = PERF_TYPE_TRACEPOINT;
  attributes.size = sizeof attributes;
  attributes.config = *event;
  attributes.inherit = 1;
  fd_ =
      static_cast<int>(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
  if (fd_ < 0)
    why_not_ = "perf_event_open: " + std::generic_category().message(errno) +
               " (it takes root, or kernel.perf_event_paranoid -1)";
}

SyscallCounter::~SyscallCounter() {
  if (fd_ >= 0) close(fd_);
}

std::optional<std::uint64_t> SyscallCounter::count() const {
  std::uint64_t count = 0;
  if (fd_ < 0 || read(fd_, &count, sizeof count) != sizeof count) return std::nullopt;
  return count;
}

Usage Meter::usage() const {
  const rusage own = own_usage();
  Usage usage;
  usage.at = system_clock().now();
  usage.user_seconds = seconds_of(own.ru_utime);
  usage.system_seconds = seconds_of(own.ru_stime);
  usage.minor_faults = static_cast<std::uint64_t>(own.ru_minflt);
  usage.major_faults = static_cast<std::uint64_t>(own.ru_majflt);
  usage.voluntary_switches = static_cast<std::uint64_t>(own.ru_nvcsw);
  usage.involuntary_switches = static_cast<std::uint64_t>(own.ru_nivcsw);
  usage.syscalls = syscalls_.count();
  return usage;
}

std::uint64_t Meter::resident_bytes() const { return status_bytes("VmRSS"); }

bool Meter::restart_peak() {
  const int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = write(fd, "5", 1) == 1;
  close(fd);
  return done;
}

std::uint64_t Meter::peak_bytes() const {
  const std::uint64_t peak = status_bytes("VmHWM");
  return peak != 0 ? peak : static_cast<std::uint64_t>(own_usage().ru_maxrss) * 1024;
}

}  // namespace ossmc::bench
