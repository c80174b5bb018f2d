#include "prefetch/fetch_starter.h"

#include <memory>
#include <string>
#include <utility>

namespace ossmc {

Exchange* FetchStarter::start(Pick& pick) {
  if (pick.slow != nullptr) return start_hedge(pick);
  ChunkFetch* const fetch = pick.retry != nullptr ? pick.retry : begin(pick);
  if (fetch == nullptr) return nullptr;
  bool ready = false;
  const Status status = fetch->prepare(&ready);
  if (!status.is_ok()) {
    owner_.on_finished(*fetch, status);
    return nullptr;
  }
  if (!ready) {
    owner_.on_retry(*fetch, state_.context.clock.now() + kCredentialsPoll);
    return nullptr;
  }
  return fetch;
}

ChunkFetch* FetchStarter::begin(Pick& pick) {
  if (!begin_fill(pick)) return nullptr;
  ObjectStream& stream = *pick.stream;
  FetchBook::Entry entry;
  entry.fetch = std::make_unique<ChunkFetch>(
      state_.context, owner_, stream.name(), pick.is_first ? nullptr : &stream.version(),
      stream.slot(pick.index).chunk, stream.chunk_begin(pick.index), pick.seen);
  ChunkFetch* const fetch = entry.fetch.get();
  entry.stream = pick.stream;
  entry.index = pick.index;
  entry.in_region = pick.region_data != nullptr;
  entry.started_at = state_.context.clock.now();
  if (pick.is_refetch) add(state_.context.counters.refetches);
  MutexLock lock(state_.mutex);
  state_.fetches.add(std::move(entry));
  if (stream.is_closed()) fetch->cancel();
  return fetch;
}

// False: the system has no memory for it.
bool FetchStarter::begin_fill(Pick& pick) {
  ObjectStream& stream = *pick.stream;
  ChunkSlot& slot = stream.slot(pick.index);
  // Bytes that come a second time are nobody's before they are known to be the same (CRC-64).
  const bool hidden = pick.seen.bytes > 0;
  if (pick.region_data != nullptr) {
    // If close() has given the region back just now, the fetch is cancelled before it writes.
    slot.chunk.begin_fill_at(pick.region_data, pick.length, hidden);
    return true;
  }
  // How much of it the first request of an object brings is not known.
  Block block =
      state_.pool->take(pick.length, pick.is_first ? NewPages::kWhenWritten : NewPages::kNow);
  if (block) {
    slot.chunk.begin_fill(std::move(block), std::move(pick.ticket), pick.length, hidden);
    return true;
  }
  const Status status =
      stream.error(StatusCode::kMemoryBudget, "the system has no memory for a chunk of " +
                                                  std::to_string(pick.length) + " bytes");
  {
    MutexLock lock(state_.mutex);
    slot.work = ChunkSlot::Work::kNone;
    // A region that was made meanwhile counts on it.
    if (stream.plan.region != nullptr && !stream.is_closed()) {
      pick.ticket.shrink_to(pick.length);
      stream.plan.region->absorb(std::move(pick.ticket));
    }
    if (stream.state() == StreamState::kOpening) stream.become_failed(status);
    state_.note_failure(stream, pick.index, status);
  }
  pick.ticket.reset();
  slot.chunk.notify();
  stream.wake_openers();
  state_.note_memory();
  return false;
}

Exchange* FetchStarter::start_hedge(Pick& pick) {
  Block block = state_.pool->take(static_cast<std::size_t>(pick.hedged.size()));
  if (!block) return nullptr;
  // It may have ended meanwhile: what the hedge refers to is looked at under the mutex.
  auto hedge = std::make_unique<Hedge>(state_.context, *pick.slow, pick.stream->name(),
                                       pick.stream->version(), pick.hedged, std::move(block),
                                       std::move(pick.ticket));
  if (!hedge->prepare()) return nullptr;
  MutexLock lock(state_.mutex);
  FetchBook::Entry* const slow = state_.fetches.find(pick.slow);
  if (slow == nullptr || slow->has_ended || slow->stream != pick.stream ||
      slow->index != pick.index || slow->fetch->hedge() != nullptr || pick.stream->is_closed())
    return nullptr;
  slow->hedge_runs = true;
  add(state_.context.counters.hedges);
  return slow->fetch->own_hedge(std::move(hedge));
}

}  // namespace ossmc
