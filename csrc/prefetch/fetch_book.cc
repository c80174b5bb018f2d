#include "prefetch/fetch_book.h"

#include <algorithm>
#include <cassert>
#include <set>
#include <tuple>
#include <utility>

namespace ossmc {

namespace {

// How often fetches are looked through, in relation to how slow the slow ones are.
constexpr int kLooksPerWait = 8;
constexpr Duration kLeastLookInterval = std::chrono::milliseconds(20);
constexpr Duration kMostLookInterval = std::chrono::seconds(1);

}  // namespace

FetchBook::Entry& FetchBook::add(Entry entry) {
  ++running_;
  const ChunkFetch* const fetch = entry.fetch.get();
  return entries_.emplace(fetch, std::move(entry)).first->second;
}

FetchBook::Entry& FetchBook::at(const ChunkFetch& fetch) { return entries_.at(&fetch); }

FetchBook::Entry* FetchBook::find(const ChunkFetch* fetch) {
  const auto found = entries_.find(fetch);
  return found == entries_.end() ? nullptr : &found->second;
}

void FetchBook::park(Entry& entry, TimePoint due) {
  assert(!entry.is_parked && !entry.has_ended);
  entry.is_parked = true;
  parked_.emplace(due, entry.fetch.get());
}

void FetchBook::unpark(Entry& entry, TimePoint now) {
  if (!std::exchange(entry.is_parked, false)) return;
  std::erase_if(parked_, [&](const auto& parked) { return parked.second == entry.fetch.get(); });
  entry.started_at = now;
}

ChunkFetch* FetchBook::next_retry(TimePoint now) const {
  return parked_.empty() || parked_.begin()->first > now ? nullptr : parked_.begin()->second;
}

TimePoint FetchBook::next_due() const {
  return parked_.empty() ? TimePoint::max() : parked_.begin()->first;
}

FetchBook::Entry FetchBook::end(const ChunkFetch& fetch) {
  const auto found = entries_.find(&fetch);
  Entry& entry = found->second;
  assert(!entry.is_parked && !entry.has_ended);
  --running_;
  if (!entry.hedge_runs) {
    Entry ended = std::move(entry);
    entries_.erase(found);
    return ended;
  }
  entry.has_ended = true;
  entry.fetch->cancel();
  Entry ended;
  ended.stream = entry.stream;
  ended.index = entry.index;
  ended.piece = entry.piece;
  ended.in_region = entry.in_region;
  ended.hedge_runs = true;
  return ended;
}

std::unique_ptr<ChunkFetch> FetchBook::end_hedge(const ChunkFetch& fetch) {
  const auto found = entries_.find(&fetch);
  Entry& entry = found->second;
  entry.hedge_runs = false;
  if (!entry.has_ended) return nullptr;
  std::unique_ptr<ChunkFetch> ended = std::move(entry.fetch);
  entries_.erase(found);
  return ended;
}

template <typename IsOver>
std::vector<ChunkFetch*> FetchBook::cancel_if(const IsOver& is_over) {
  std::vector<ChunkFetch*> were_parked;
  for (auto& [key, entry] : entries_) {
    if (!is_over(entry)) continue;
    entry.fetch->cancel();
    if (!entry.is_parked) continue;
    unpark(entry, entry.started_at);
    were_parked.push_back(entry.fetch.get());
  }
  return were_parked;
}

std::vector<ChunkFetch*> FetchBook::cancel_stream(const ObjectStream& stream) {
  return cancel_if([&](const Entry& entry) { return entry.stream.get() == &stream; });
}

std::vector<ChunkFetch*> FetchBook::cancel_streams(
    const std::function<bool(const ObjectStream&)>& is_over) {
  return cancel_if([&](const Entry& entry) { return is_over(*entry.stream); });
}

std::vector<ChunkFetch*> FetchBook::cancel_call(const PieceCall& call) {
  return cancel_if([&](const Entry& entry) {
    return entry.piece != nullptr && entry.piece->call.get() == &call;
  });
}

std::vector<ChunkFetch*> FetchBook::cancel_unclaimed(ObjectStream& stream) {
  return cancel_if([&](const Entry& entry) {
    if (entry.stream.get() != &stream || entry.piece != nullptr || entry.in_region) return false;
    const ChunkSlot& slot = stream.slot(entry.index);
    return slot.claims == 0 && slot.chunk.view().pins == 0;
  });
}

// The longest in progress; of several that began together the one that was opened first. Where
// fetches lie in memory decides nothing: the same schedule runs the same way again.
bool FetchBook::is_before(const Entry& one, const Entry& other) {
  const auto rank = [](const Entry& entry) {
    return std::tuple(entry.started_at, entry.stream->sequence(), entry.index);
  };
  return rank(one) < rank(other);
}

FetchBook::Entry* FetchBook::slowest(TimePoint now, const Counters& counters, bool nothing_else) {
  if (!is_time_to_look(now)) return nullptr;
  const Duration slow_after = hedge_rule_.slow_after(counters.chunk_whole_us, now);
  const bool may_hedge = slow_after < Duration::max() &&
                         HedgeRule::may_hedge(load(counters.hedges), load(counters.requests));
  look_at_ = now + (may_hedge ? std::clamp<Duration>(slow_after / kLooksPerWait, kLeastLookInterval,
                                                     kMostLookInterval)
                              : kMostLookInterval);
  if (!may_hedge) return nullptr;
  Entry* slowest = nullptr;
  for (auto& [key, entry] : entries_) {
    if (entry.is_parked || entry.was_hedged || entry.has_ended ||
        entry.stream->state() != StreamState::kOpen)
      continue;
    const bool is_awaited = entry.piece != nullptr || entry.stream->slot(entry.index).claims > 0;
    if (!nothing_else && !is_awaited) continue;
    if (now - entry.started_at - entry.fetch->held_back(now) <= slow_after) continue;
    if (slowest == nullptr || is_before(entry, *slowest)) slowest = &entry;
  }
  return slowest;
}

std::uint64_t FetchBook::draining_bytes(const ViewMemory& views) const {
  std::uint64_t bytes = 0;
  std::set<const ViewRegion*> regions;
  for (const auto& [key, entry] : entries_) {
    if (!entry.stream->is_closed()) continue;
    if (entry.fetch->hedge() != nullptr) bytes += entry.fetch->hedge()->ticket_bytes();
    if (entry.has_ended || entry.piece != nullptr) continue;
    const ViewRegion* const region = entry.stream->plan.region.get();
    if (!entry.in_region) {
      bytes += entry.stream->slot(entry.index).chunk.ticket_bytes();
    } else if (region != nullptr && !views.is_used(*region) && regions.insert(region).second) {
      bytes += region->ticket_bytes();
    }
  }
  return bytes;
}

}  // namespace ossmc
