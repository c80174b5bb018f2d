// Engine: the machinery of one connector in one process, wired together: threads, memory,
// scheduler, request rules.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "auth/credentials.h"
#include "base/clock.h"
#include "base/counters.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/status.h"
#include "connector/config.h"
#include "connector/memory_arbiter.h"
#include "fetch/fetch_context.h"
#include "fetch/small_request_queue.h"
#include "memory/budget.h"
#include "memory/page_pool.h"
#include "prefetch/scheduler.h"
#include "transfer/io_pool.h"
#include "transfer/rate_limit.h"

namespace ossmc {

// Made at the first call that needs the network; shared by the connector and its readers.
// Thread-safe. A forked child must leak the engine it inherited: its threads are not there and its
// locks may be held by nobody.
class Engine final : private CredentialsCache::Listener {
 public:
  Engine(const Config& config, RequestBuilderOptions request_options,
         std::shared_ptr<CredentialsCache> credentials);
  // Shuts down if that was not done; blocks for at most about a second.
  ~Engine() override;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Starts the download threads. kInvalidArgument: a CA file that cannot be read.
  Status start();
  // Ends blocked reads (kClosed), cancels, joins the threads, gives memory back. A second call is a
  // no-op.
  void shutdown();

  Scheduler& scheduler() { return scheduler_; }
  // Requests of listings; their threads start with the first.
  Result<SmallRequestQueue*> list_queue();
  const Counters& counters() const { return counters_; }
  std::uint32_t chunk_bytes() const { return chunk_bytes_; }
  const Clock& clock() const { return clock_; }
  double clock_offset_seconds() const { return builder_.clock_offset_seconds(); }

 private:
  void on_credentials_changed() override;

  const Clock& clock_;
  const std::shared_ptr<CredentialsCache> credentials_;
  const std::unique_ptr<Random> random_;
  Counters counters_;
  RetryQuota quota_;
  RequestBuilder builder_;
  StoreEvidence store_;
  FetchContext context_;
  MemoryArbiter* const arbiter_;  // of this process; null: the budget is its own
  const std::shared_ptr<Budget> budget_;
  const std::uint32_t chunk_bytes_;
  const std::shared_ptr<PagePool> pages_;
  // What listings receive is little, and who waits for them shall not wait for what is read.
  const std::unique_ptr<RateLimit> rate_limit_;  // of io_; null: none
  Scheduler scheduler_;
  SmallRequestQueue list_requests_;
  IoPool io_;
  IoPool list_io_;

  Mutex mutex_;  // held while the threads of listings start: no leaf
  bool lists_started_ OSSMC_GUARDED_BY(mutex_) = false;
  bool stopped_ OSSMC_GUARDED_BY(mutex_) = false;
};

}  // namespace ossmc
