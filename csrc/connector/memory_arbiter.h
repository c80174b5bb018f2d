// MemoryArbiter: the one budget that the connectors of a process share, and its limit.
//
// Half of what was free when the most was, shared by the processes that LOCAL_WORLD_SIZE tells; in
// a worker (a forked child, a child of multiprocessing) at most 1 GiB. And never so much that the
// machine or a control group would have less than its margin free (connector/memory_limit.h), down
// to what a few chunks need: then idle buffers go at once, and the schedulers give up the rest
// (memory/shared_budget.h).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "connector/memory_limit.h"
#include "memory/page_pool.h"
#include "memory/shared_budget.h"

namespace ossmc {

struct MemoryArbiterOptions {
  std::string root = "/";  // where the system's files are
  std::uint64_t processes = 1;
  bool is_worker = false;
  bool watches = true;  // by a thread of its own; false: only when it is asked to look
};

// Thread-safe. Its thread runs while there are pools, started with the first and joined with the
// last: it looks every 50 ms, every 20 ms near the margin, and is slow only where the system is.
class MemoryArbiter final : public FreshMemory {
 public:
  // The process's: made at the first call, and anew in a forked child, which leaks its parent's.
  static MemoryArbiter& of_process();
  // This process is a worker, though it was not forked from one that had this library.
  static void note_worker();

  MemoryArbiter(MemoryArbiterOptions options, const Clock& clock);
  ~MemoryArbiter();
  MemoryArbiter(const MemoryArbiter&) = delete;
  MemoryArbiter& operator=(const MemoryArbiter&) = delete;

  const std::shared_ptr<SharedBudget>& budget() const { return budget_; }
  // Why the limit was what it was at first, for the log.
  const std::string& reason() const { return reason_; }

  // Of a connector that shares the budget: its idle buffers count, and go when memory is short. Not
  // quick: the thread may start or be waited for, for at most a look.
  void add(std::shared_ptr<PagePool> pool) OSSMC_EXCLUDES(lifecycle_);
  void remove(const PagePool& pool) OSSMC_EXCLUDES(lifecycle_);

  // By an I/O thread, before it maps fresh memory: looks after each 32 MiB of it.
  void on_fresh(std::size_t bytes) noexcept override;
  // Measures and sets the limit. After how long the next look is due. Does nothing while another
  // thread does it.
  Duration look();

 private:
  std::vector<std::shared_ptr<PagePool>> pools();
  void watch(std::uint32_t seen);  // until stops_ is not `seen` any more
  void stop_watching() OSSMC_REQUIRES(lifecycle_);

  const MemoryArbiterOptions options_;
  const std::uint64_t generation_;
  const std::shared_ptr<SharedBudget> budget_;
  std::string reason_;  // constant after construction

  // Whoever sets it looks, and alone uses what follows.
  std::atomic<bool> looking_{false};
  FreeMemoryGauge gauge_;
  std::uint64_t most_ = 0;  // half of what was free, when it was most

  std::atomic<std::uint64_t> fresh_bytes_{0};  // since the last look
  std::atomic<std::uint32_t> stops_{0};        // futex word of the thread

  Mutex lifecycle_;  // held while the thread starts or ends: no leaf
  std::thread thread_ OSSMC_GUARDED_BY(lifecycle_);

  Mutex mutex_;
  std::vector<std::shared_ptr<PagePool>> pools_ OSSMC_GUARDED_BY(mutex_);
};

}  // namespace ossmc
