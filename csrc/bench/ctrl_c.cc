#include "bench/ctrl_c.h"

#include <csignal>

#include <atomic>

namespace ossmc::bench {

namespace {

std::atomic<bool> signalled{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler writes it

class CtrlC final : public Interrupt {
 public:
  CtrlC() {
    struct sigaction action {};
    action.sa_handler = [](int) { signalled.store(true, std::memory_order_relaxed); };
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
  }
  bool pending() override { return signalled.load(std::memory_order_relaxed); }
};

}  // namespace

Interrupt& ctrl_c() {
  static CtrlC instance;
  return instance;
}

}  // namespace ossmc::bench
