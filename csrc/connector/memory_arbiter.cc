#include "connector/memory_arbiter.h"

#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/blocked_signals.h"
#include "base/fork_guard.h"
#include "base/log.h"
#include "base/of_process.h"
#include "base/wait.h"

namespace ossmc {

namespace {

constexpr std::uint64_t kMaxOfWorker = 1ULL << 30;
// With less the line does not stay full; it is left to us whatever others take.
constexpr std::uint64_t kLeastBytes = 32u << 20;
// Where so little is free that the margin cannot be kept, a quarter of what others leave may be
// used, but not more than this, with which the line stays full.
constexpr std::uint64_t kMostBelowMargin = 256u << 20;
// Fresh memory between two looks. A look takes 20 us, to fill so much takes 10 ms or more.
constexpr std::uint64_t kFreshBetweenLooks = 32u << 20;

constexpr Duration kLookInterval = std::chrono::milliseconds(50);
// Others may take a GB/s: 20 MB between two looks.
constexpr Duration kNearInterval = std::chrono::milliseconds(20);
constexpr Duration kIdleInterval = std::chrono::milliseconds(200);  // while no memory is held

std::atomic<bool> noted_worker{false};

std::string mib(std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

std::uint64_t to_bytes(std::int64_t room) {
  return room > 0 ? static_cast<std::uint64_t>(room) : 0;
}

MemoryArbiterOptions options_of_process() {
  // getenv is safe here: nothing of ours writes the environment.
  return {.processes = processes_from_environment(
              std::getenv("LOCAL_WORLD_SIZE")),  // NOLINT(concurrency-mt-unsafe)
          .is_worker = fork_generation() > 0};
}

}  // namespace

MemoryArbiter& MemoryArbiter::of_process() {
  static constinit OfProcess<MemoryArbiter> of_process;
  return of_process.get(
      [] { return std::make_unique<MemoryArbiter>(options_of_process(), system_clock()); });
}

void MemoryArbiter::note_worker() { noted_worker.store(true, std::memory_order_relaxed); }

MemoryArbiter::MemoryArbiter(MemoryArbiterOptions options, const Clock& clock)
    : options_(std::move(options)),
      generation_(fork_generation()),
      budget_(std::make_shared<SharedBudget>(kLeastBytes, clock)),
      gauge_(options_.root) {
  const FreeMemory free = gauge_.measure();
  reason_ = free.source.empty() ? "free memory is not known"
                                : "half of " + mib(free.bytes) + " free in " + free.source;
  if (options_.processes > 1)
    reason_ +=
        ", shared by " + std::to_string(options_.processes) + " processes (LOCAL_WORLD_SIZE)";
  look();
  if (options_.is_worker || noted_worker.load(std::memory_order_relaxed))
    reason_ += ", at most " + mib(kMaxOfWorker) + " in a worker";
}

MemoryArbiter::~MemoryArbiter() {
  MutexLock lock(lifecycle_);
  stop_watching();
}

void MemoryArbiter::add(std::shared_ptr<PagePool> pool) {
  MutexLock lifecycle(lifecycle_);
  {
    MutexLock lock(mutex_);
    pools_.push_back(std::move(pool));
  }
  look();
  if (!options_.watches || thread_.joinable()) return;
  const BlockedSignals blocked;
  try {
    thread_ = std::thread([this, seen = stops_.load()] {
      pthread_setname_np(pthread_self(), "ossmc-memory");
      watch(seen);
    });
  } catch (const std::system_error&) {
    process_log().write(LogLevel::kWarning,
                        "no thread could be started that looks how much memory is free: only "
                        "before fresh memory is taken it is looked");
  }
}

void MemoryArbiter::remove(const PagePool& pool) {
  if (fork_generation() != generation_) return;
  MutexLock lifecycle(lifecycle_);
  std::shared_ptr<PagePool> removed;  // outlives the lock: it may be the last to hold it
  bool is_last = false;
  {
    MutexLock lock(mutex_);
    const auto found = std::find_if(pools_.begin(), pools_.end(),
                                    [&](const auto& one) { return one.get() == &pool; });
    if (found == pools_.end()) return;
    removed = std::move(*found);
    pools_.erase(found);
    is_last = pools_.empty();
  }
  if (is_last) stop_watching();
}

void MemoryArbiter::stop_watching() {
  if (!thread_.joinable()) return;
  stops_.fetch_add(1);
  futex_wake_all(stops_);
  thread_.join();
}

void MemoryArbiter::watch(std::uint32_t seen) {
  while (stops_.load() == seen) futex_wait(stops_, seen, look());
}

void MemoryArbiter::on_fresh(std::size_t bytes) noexcept {
  if (fresh_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes >= kFreshBetweenLooks)
    look();
}

Duration MemoryArbiter::look() {
  if (looking_.exchange(true, std::memory_order_acquire)) return kNearInterval;
  fresh_bytes_.store(0, std::memory_order_relaxed);
  const std::vector<std::shared_ptr<PagePool>> pools = this->pools();
  std::uint64_t idle = 0;
  for (const auto& pool : pools) idle += pool->mapped_free_bytes();
  const std::uint64_t ours = budget_->used_bytes() + idle;
  const FreeMemory free = gauge_.measure();
  const std::uint64_t least = std::max(kLeastBytes, budget_->least_bytes());
  // What there would be without us.
  const std::uint64_t all = ours + free.bytes;
  // What is used does not count here: it may be reserved only, and is free as well then.
  most_ = std::max(most_, (free.bytes + idle) / 2 / std::max<std::uint64_t>(options_.processes, 1));
  const bool is_worker = options_.is_worker || noted_worker.load(std::memory_order_relaxed);
  const std::uint64_t full = std::max(is_worker ? std::min(most_, kMaxOfWorker) : most_, least);
  std::uint64_t limit = full;
  if (!free.source.empty()) {
    const std::uint64_t with_margin = to_bytes(static_cast<std::int64_t>(ours) + free.room_bytes);
    const std::uint64_t below_margin = std::max(least, std::min(kMostBelowMargin, all / 4));
    // Views cannot be given up: reads go on beside them.
    limit = std::min(full, std::max(with_margin, budget_->view_bytes() + below_margin));
  }
  if (!free.source.empty() && free.room_bytes < 0) {
    for (const auto& pool : pools) pool->release_idle();
  }
  budget_->set_limit(limit, full);
  looking_.store(false, std::memory_order_release);
  if (ours == 0) return kIdleInterval;
  const bool is_near = !free.source.empty() && to_bytes(free.room_bytes) < kMostBelowMargin;
  return is_near ? kNearInterval : kLookInterval;
}

std::vector<std::shared_ptr<PagePool>> MemoryArbiter::pools() {
  MutexLock lock(mutex_);
  return pools_;
}

}  // namespace ossmc
