#include "bench/ticker.h"

#include <utility>

namespace ossmc::bench {

Ticker::Ticker(Duration period, std::function<void()> tick)
    : thread_([this, period, tick = std::move(tick)](const std::stop_token& stop) {
        run(stop, period, tick);
      }) {}

void Ticker::run(const std::stop_token& stop, Duration period, const std::function<void()>& tick) {
  auto next = std::chrono::steady_clock::now();
  while (true) {
    next += period;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      stopped_.wait_until(lock, stop, next, [] { return false; });
    }
    if (stop.stop_requested()) return;
    tick();
  }
}

}  // namespace ossmc::bench
