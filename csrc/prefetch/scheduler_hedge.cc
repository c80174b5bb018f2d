// Second requests for the slowest chunks.
#include <algorithm>
#include <tuple>
#include <utility>

#include "prefetch/scheduler.h"

namespace ossmc {

namespace {
// How often jobs are looked through, in relation to how slow the slow ones are.
constexpr int kLooksPerWait = 8;
constexpr Duration kLeastLookInterval = std::chrono::milliseconds(20);
constexpr Duration kMostLookInterval = std::chrono::seconds(1);

}  // namespace

// The longest in progress; of several that began together the one that was opened first. Where
// fetches lie in memory decides nothing: the same schedule runs the same way again.
bool Scheduler::is_before(const Job& one, const Job& other) {
  const auto rank = [](const Job& job) {
    return std::tuple(job.started_at, job.stream->sequence(), job.index);
  };
  return rank(one) < rank(other);
}

bool Scheduler::pick_hedge_locked(TimePoint now, Pick* pick) {
  if (jobs_.empty() || now < look_for_slow_at_) return false;
  const Duration slow_after = hedge_rule_.slow_after(context_.counters.chunk_whole_us, now);
  const bool may_hedge =
      slow_after < Duration::max() &&
      HedgeRule::may_hedge(load(context_.counters.hedges), load(context_.counters.requests));
  look_for_slow_at_ = now + (may_hedge ? std::clamp<Duration>(slow_after / kLooksPerWait,
                                                              kLeastLookInterval, kMostLookInterval)
                                       : kMostLookInterval);
  if (!may_hedge) return false;
  // With nothing else to start, what nobody waits for yet is waited for next.
  const bool all_started = urgent_.empty() && reading_.empty() && sweep_.empty();
  ChunkFetch* slowest = nullptr;
  Job* its_job = nullptr;
  for (auto& [fetch, job] : jobs_) {
    if (job.is_parked || job.was_hedged || job.stream->state() != StreamState::kOpen) continue;
    if (!all_started && job.stream->slot(job.index).claims == 0) continue;
    if (now - job.started_at <= slow_after) continue;
    if (slowest != nullptr && !is_before(job, *its_job)) continue;
    slowest = fetch;
    its_job = &job;
  }
  if (slowest == nullptr) return false;
  ObjectStream& stream = *its_job->stream;
  const std::uint32_t filled = stream.slot(its_job->index).chunk.view().filled;
  const std::uint64_t begin = stream.chunk_begin(its_job->index);
  pick->hedged = {begin + filled, begin + stream.chunk_length(its_job->index)};
  if (pick->hedged.size() == 0) return false;
  // What somebody waits for may take what is kept free for that.
  const bool is_claimed = stream.slot(its_job->index).claims > 0;
  pick->ticket = Ticket::try_take(budget_, pick->hedged.size(), is_claimed ? 0 : reserve_bytes_);
  if (!pick->ticket) return false;
  its_job->was_hedged = true;  // now: another I/O thread may look before this one has started it
  pick->slow = slowest;
  pick->stream = its_job->stream;
  pick->index = its_job->index;
  return true;
}

Exchange* Scheduler::start_hedge(Pick& pick) {
  Block block = pool_->take(static_cast<std::size_t>(pick.hedged.size()));
  if (!block) return nullptr;
  const auto hedge =
      std::make_shared<Hedge>(context_, *this, pick.stream->name(), pick.stream->version(),
                              pick.hedged, std::move(block), std::move(pick.ticket));
  if (!hedge->prepare()) return nullptr;
  MutexLock lock(mutex_);
  const auto found = jobs_.find(pick.slow);
  if (found == jobs_.end() || found->second.stream != pick.stream ||
      found->second.index != pick.index || found->second.hedge != nullptr ||
      pick.stream->is_closed())
    return nullptr;
  found->second.hedge = hedge;
  hedges_.emplace(hedge.get(), HedgeJob{hedge, pick.stream, pick.slow});
  add(context_.counters.hedges);
  return hedge.get();
}

void Scheduler::on_hedge_ended(Hedge& hedge) {
  std::shared_ptr<Hedge> ended;  // destroyed last, and without the mutex: its memory goes back
  std::shared_ptr<Hedge> of_job;
  StreamPtr stream;
  ChunkFetch* parked = nullptr;
  bool is_used = false;
  {
    MutexLock lock(mutex_);
    const auto found = hedges_.find(&hedge);
    ended = std::move(found->second.hedge);
    stream = std::move(found->second.stream);
    ChunkFetch* const slow = found->second.slow;
    hedges_.erase(found);
    if (slow != nullptr) {
      Job& job = jobs_.at(slow);
      is_used = hedge.is_whole();
      if (is_used) {
        slow->use_tail(hedge);
        if (job.is_parked) {
          std::erase_if(retries_, [&](const auto& retry) { return retry.second == slow; });
          job.is_parked = false;
          parked = slow;
        }
      } else {
        of_job = std::move(job.hedge);
      }
    }
  }
  if (parked != nullptr) {
    parked->finish_with_tail();
  } else if (is_used) {
    wake();  // its exchange ends when it sees that it is not needed any more
  }
  ended = of_job = nullptr;
  bump_memory_epoch();
  wake();
}

void Scheduler::end_hedge_locked(Job& job, std::shared_ptr<Hedge>* ended) {
  if (job.hedge == nullptr) return;
  const auto found = hedges_.find(job.hedge.get());
  if (found != hedges_.end()) {
    found->second.slow = nullptr;
    job.hedge->cancel();
  }
  *ended = std::move(job.hedge);
}

}  // namespace ossmc
