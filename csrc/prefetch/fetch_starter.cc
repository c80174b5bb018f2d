#include "prefetch/fetch_starter.h"

#include <memory>
#include <new>
#include <string>
#include <utility>

namespace ossmc {

Exchange* FetchStarter::start(Pick& pick) {
  if (pick.slow != nullptr) return start_hedge(pick);
  ChunkFetch* const fetch = pick.retry != nullptr   ? pick.retry
                            : pick.piece != nullptr ? begin_piece(pick)
                                                    : begin(pick);
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
  if (!begin_fill(pick)) {
    put_back(pick);
    return nullptr;
  }
  ObjectStream& stream = *pick.stream;
  FetchBook::Entry entry;
  entry.fetch = make_fetch(pick);
  if (entry.fetch == nullptr) {
    stream.slot(pick.index).chunk.fail();
    put_back(pick);
    return nullptr;
  }
  entry.fetch->set_reader(&stream);
  entry.in_region = pick.region_data != nullptr;
  return add(std::move(entry), pick);
}

ChunkFetch* FetchStarter::begin_piece(Pick& pick) {
  FetchBook::Entry entry;
  try {
    const std::uint64_t begin = pick.stream->chunk_begin(pick.index) + pick.piece->begin;
    entry.fetch = std::make_unique<ChunkFetch>(state_.context, owner_, pick.stream->name(),
                                               pick.is_first ? nullptr : &pick.stream->version(),
                                               pick.piece->sink, begin, std::move(pick.seen),
                                               pick.stream->listed());
  } catch (const std::bad_alloc&) {
    end_piece(*pick.piece, pick.stream->error(StatusCode::kMemoryBudget,
                                              "the system has no memory for a request"));
    return nullptr;
  }
  entry.fetch->set_is_part(!pick.piece->is_whole());
  entry.fetch->set_reader(pick.piece->call.get());
  entry.piece = pick.piece;
  return add(std::move(entry), pick);
}

ChunkFetch* FetchStarter::add(FetchBook::Entry entry, const Pick& pick) {
  entry.stream = pick.stream;
  entry.index = pick.index;
  if (pick.is_refetch) ossmc::add(state_.context.counters.refetches);
  entry.started_at = state_.context.clock.now();
  ChunkFetch* const fetch = entry.fetch.get();
  MutexLock lock(state_.mutex);
  FetchBook::Entry& added = state_.fetches.add(std::move(entry));
  if (added.piece != nullptr) ++added.piece->call->in_flight;
  const bool is_over = added.piece != nullptr && added.piece->is_given_up;
  if (added.stream->is_closed() || is_over) fetch->cancel();
  return fetch;
}

// Null: there is no memory for it.
std::unique_ptr<ChunkFetch> FetchStarter::make_fetch(const Pick& pick) {
  ObjectStream& stream = *pick.stream;
  try {
    return std::make_unique<ChunkFetch>(
        state_.context, owner_, stream.name(), pick.is_first ? nullptr : &stream.version(),
        stream.slot(pick.index).chunk, stream.chunk_begin(pick.index), pick.seen, stream.listed());
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

// False: the system has no memory for it.
bool FetchStarter::begin_fill(Pick& pick) {
  ObjectStream& stream = *pick.stream;
  ChunkSlot& slot = stream.slot(pick.index);
  // Bytes that come a second time are nobody's before they are known to be the same (CRC-64).
  const bool hidden = !pick.seen.empty();
  if (pick.region_data != nullptr) {
    // If close() has given the region back just now, the fetch is cancelled before it writes.
    slot.chunk.begin_fill_at(pick.region_data, pick.length, hidden);
    return true;
  }
  Block block = state_.pool->take(pick.length);
  // Nothing else could be given up for it.
  if (!block && state_.budget->used_bytes() == pick.ticket.bytes())
    block = state_.pool->take_last(pick.length);
  if (!block) return false;
  slot.chunk.begin_fill(std::move(block), std::move(pick.ticket), pick.length, hidden);
  return true;
}

void FetchStarter::put_back(Pick& pick) {
  ObjectStream& stream = *pick.stream;
  ChunkSlot& slot = stream.slot(pick.index);
  FreedMemory freed;
  Status failure;
  {
    MutexLock lock(state_.mutex);
    slot.work = ChunkSlot::Work::kNone;
    take_chunk(stream, pick.index, &freed);  // if it had its block already
    // A region that was made meanwhile counts on it.
    if (pick.ticket && stream.plan.region != nullptr && !stream.is_closed()) {
      pick.ticket.shrink_to(pick.length);
      stream.plan.region->absorb(std::move(pick.ticket));
    }
    pick.ticket.reset();
    const bool gave_up = state_.admission.give_up(pick.length, &freed);
    state_.ceiling.lower(state_.pool->block_bytes(stream.chunk_bytes()),
                         state_.context.clock.now());
    const bool may_pass = gave_up || state_.budget->used_bytes() > state_.views.used_bytes();
    const bool is_opening = stream.state() == StreamState::kOpening;
    if (!may_pass) {
      failure = refused(pick);
      if (is_opening) stream.become_failed(failure);
      state_.note_failure(stream, pick.index, failure);
    } else if (stream.is_closed()) {
      // Nobody wants it any more.
    } else if (pick.place != 0 && (is_opening || slot.claims > 0)) {
      state_.urgent.put_back(stream, pick.index, pick.place);
    } else if (slot.claims > 0) {
      state_.urgent.add(stream, pick.index);
    } else {
      state_.positions.fetch_again(stream, pick.index);
    }
  }
  freed = {};  // who is woken finds it
  if (!failure.is_ok()) {
    slot.chunk.notify();
    stream.wake_openers();
  }
  state_.note_memory();
}

Status FetchStarter::refused(const Pick& pick) const {
  return pick.stream->error(StatusCode::kMemoryBudget,
                            "the system has no memory for a chunk of " +
                                std::to_string(pick.length) + " bytes of " +
                                printable(pick.stream->name().uri()) +
                                ", and nothing is left to give up for it (ulimit -v, or the "
                                "container's limit): raise it");
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
  ossmc::add(state_.context.counters.hedges);
  return slow->fetch->own_hedge(std::move(hedge));
}

}  // namespace ossmc
