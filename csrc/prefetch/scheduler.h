// Scheduler: the conductor between callers, who open, read and close objects, and the I/O threads,
// who fetch. It hands out what the picker picks, and puts down what became of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "fetch/chunk_fetch.h"
#include "prefetch/chunk_claims.h"
#include "prefetch/fetch_end.h"
#include "prefetch/fetch_starter.h"
#include "prefetch/open_objects.h"
#include "prefetch/picker.h"
#include "prefetch/pieces.h"
#include "prefetch/scheduler_state.h"
#include "prefetch/views.h"
#include "prefetch/whole_objects.h"
#include "transfer/exchange.h"

namespace ossmc {

// Thread-safe. Owned by the engine; outlives the I/O threads.
class Scheduler final : public WorkSource, public ChunkFetchOwner, public SharedBudget::Listener {
 public:
  Scheduler(const SchedulerOptions& options, FetchContext& context, std::shared_ptr<Budget> budget,
            std::shared_ptr<PagePool> pool);
  ~Scheduler() override;

  // The I/O threads to wake for new work. Before the first open().
  void set_transport(Transport* transport);

  // --- by callers' threads ---
  OpenObjects& objects() { return objects_; }
  ChunkClaims& claims() { return claims_; }
  Views& views() { return views_; }
  Pieces& pieces() { return pieces_; }
  WholeObjects& whole_objects() { return whole_objects_; }
  SmallRequestQueue& small_requests() { return state_.small; }
  const FetchContext& context() const { return state_.context; }

  // --- for stats() ---
  std::uint64_t memory_bytes() const;  // of open readers and live views
  std::string_view limited_by() const;
  ArrivedBytes arrived() const;
  bool is_paused() const;  // nothing starts that nobody waits for, since fetches fail
  const std::shared_ptr<Budget>& budget() const { return state_.budget; }
  std::uint32_t chunk_bytes() const { return state_.options.chunk_bytes; }
  // How much one read may claim beyond what it waits for.
  std::uint64_t claimable_bytes() const {
    return state_.claimable_bytes.load(std::memory_order_relaxed);
  }

  // --- WorkSource, ChunkFetchOwner: by I/O threads ---
  Exchange* next(int thread, const Occupancy& occupancy) noexcept override;
  TimePoint next_due() noexcept override;
  Status on_version(ChunkFetch& fetch, const ObjectVersion& version, ByteRange range) override;
  std::optional<std::string> on_reply(ChunkFetch& fetch, const ObjectVersion& told) override;
  void on_retry(ChunkFetch& fetch, TimePoint due) override;
  void on_finished(ChunkFetch& fetch, const Status& status) override;
  void on_hedge_ended(ChunkFetch& fetch, bool whole) override;

  // --- by others who share the budget ---
  void on_memory_moved() noexcept override { state_.note_memory(); }

 private:
  SchedulerState state_;
  OpenObjects objects_;
  ChunkClaims claims_;
  Views views_;
  Pieces pieces_;
  WholeObjects whole_objects_;
  Picker picker_;
  FetchStarter starter_;
  FetchEnd fetch_end_;
};

}  // namespace ossmc
