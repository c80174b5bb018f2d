#include "base/wait.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>

namespace ossmc {

namespace {

class NoInterrupt final : public Interrupt {
 public:
  bool pending() override { return false; }
};

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t) &&
              std::atomic<std::uint32_t>::is_always_lock_free);

// Errors need no look: EAGAIN (the word has changed), EINTR and ETIMEDOUT all mean "look again",
// and so may anything else.
void futex(const std::atomic<std::uint32_t>& word, int operation, std::uint32_t value,
           const timespec* limit) {
  ::syscall(SYS_futex, reinterpret_cast<const std::uint32_t*>(&word), operation, value, limit,
            nullptr, 0);
}

}  // namespace

Interrupt& no_interrupt() {
  static Interrupt& interrupt = *new NoInterrupt;
  return interrupt;
}

void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected, Duration limit) {
  if (limit <= Duration::zero()) return;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(limit);
  timespec relative{};
  relative.tv_sec = static_cast<std::time_t>(seconds.count());
  relative.tv_nsec = static_cast<long>((limit - seconds).count());
  futex(word, FUTEX_WAIT_PRIVATE, expected, &relative);
}

void futex_wake_all(const std::atomic<std::uint32_t>& word) {
  futex(word, FUTEX_WAKE_PRIVATE, static_cast<std::uint32_t>(INT_MAX), nullptr);
}

}  // namespace ossmc
