#include "base/thread_load.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <ctime>

namespace ossmc {

namespace {

class SystemThreadLoad final : public ThreadLoad {
 public:
  Duration busy_time() const override {
    // Three numbers: ns run, ns waited in a run queue, times run (Documentation/scheduler/
    // sched-stats.rst). Kernels without it tell the first one alone.
    std::array<char, 80> text;
    const int file = ::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    if (file < 0) return run_time();
    const ssize_t size = ::read(file, text.data(), text.size());
    ::close(file);
    if (size <= 0) return run_time();
    const char* const end = text.data() + size;
    std::int64_t run = 0;
    std::int64_t waited = 0;
    const auto first = std::from_chars(text.data(), end, run);
    if (first.ec != std::errc() || first.ptr == end) return run_time();
    const auto second = std::from_chars(first.ptr + 1, end, waited);
    if (second.ec != std::errc()) return run_time();
    return Duration(run + waited);
  }

 private:
  static Duration run_time() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + Duration(time.tv_nsec);
  }
};

}  // namespace

const ThreadLoad& system_thread_load() {
  static const SystemThreadLoad kLoad;
  return kLoad;
}

}  // namespace ossmc
