// IoPool: the I/O threads, each owning one curl multi handle.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/counters.h"
#include "base/status.h"
#include "transfer/exchange.h"

namespace ossmc {

class IoThread;
class RateLimit;
struct TransferSettings;

struct IoPoolOptions {
  int threads = 1;
  int max_connections_per_thread =
      64;  // idle connections kept; at least the number of exchanges in progress
  Duration connect_timeout = std::chrono::seconds(5);
  Duration stall_timeout = std::chrono::seconds(15);
  std::string ca_file;  // both empty: SSL_CERT_FILE, CURL_CA_BUNDLE, then the system's
  std::string ca_path;
  // Not set: HTTP(S)_PROXY and NO_PROXY of the environment; empty: never a proxy.
  bool proxy_from_environment = true;
  std::string proxy;
  std::string user_agent;
  RateLimit* rate_limit = nullptr;       // of bodies; outlives the pool; null: none
  std::string thread_name = "ossmc-io";  // at most 13 bytes; the thread's number is added
};

// Owns its threads. start() and stop() from one thread; wake() from any. Threads block all signals,
// take no lock of the floors above while in curl, never touch Python. A forked child must leak the
// pool it inherited.
class IoPool final : public Transport {
 public:
  // `source`, `clock`, `counters` outlive the pool.
  IoPool(IoPoolOptions options, WorkSource& source, const Clock& clock, Counters& counters);
  // Stops; blocks for at most about a second.
  ~IoPool() override;

  // kInvalidArgument: the CA file cannot be read (named); kConnect: too few descriptors, and for up
  // to 2 s no other thread of the process gave some up; kMemoryBudget: no memory for a thread.
  // Where there is not enough for all threads, some are not started.
  Status start();
  // Aborts what is in progress (on_done with kCancelled), joins the threads. A second call is a
  // no-op.
  void stop();
  void wake() noexcept override;

 private:
  Status start_threads();

  // Constant after construction.
  const IoPoolOptions options_;
  WorkSource& source_;
  const Clock& clock_;
  Counters& counters_;
  const std::uint64_t fork_generation_;

  // Set by start(), constant afterwards; wake() looks only once started_ is set.
  std::unique_ptr<const TransferSettings> settings_;
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::atomic<bool> started_{false};
};

}  // namespace ossmc
