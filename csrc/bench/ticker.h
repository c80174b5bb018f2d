// Ticker: calls a function again and again from a thread of its own.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

#include "base/clock.h"

namespace ossmc::bench {

// The first call comes one period after the construction. The destructor waits for a call in
// progress.
class Ticker {
 public:
  Ticker(Duration period, std::function<void()> tick);

 private:
  void run(const std::stop_token& stop, Duration period, const std::function<void()>& tick);

  std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace ossmc::bench
