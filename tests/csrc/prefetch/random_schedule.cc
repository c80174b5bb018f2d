#include "csrc/prefetch/random_schedule.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "csrc/prefetch/refused_memory.h"
#include "csrc/prefetch/schedule_call.h"
#include "csrc/prefetch/schedule_callers.h"
#include "csrc/prefetch/schedule_judge.h"
#include "csrc/prefetch/schedule_store.h"
#include "csrc/prefetch/shuffled_transport.h"
#include "csrc/prefetch/virtual_threads.h"
#include "prefetch/scheduler.h"
#include "support/csrc/chance.h"
#include "support/csrc/fetch_parts.h"

namespace ossmc {

namespace {

constexpr Duration kSoon = std::chrono::milliseconds(10);
constexpr Duration kHeldUp = std::chrono::milliseconds(150);

std::unique_ptr<CredentialsCache> anonymous() {
  Credentials nobody;
  nobody.anonymous = true;  // signatures are not what is looked at here, and cost the most
  return CredentialsCache::make_fixed(system_clock(), nobody);
}

class Schedule {
 public:
  Schedule(std::uint64_t seed, ScheduleKind kind, bool with_trace);
  ScheduleResult run();

 private:
  struct IoJob {
    enum class Kind { kNone, kAsk, kPlay, kStop } kind = Kind::kNone;
    std::size_t exchange = 0;
  };
  struct Io {
    std::size_t thread = 0;
    IoJob job;
    bool is_idle() const { return job.kind == IoJob::Kind::kNone; }
  };

  // --- setting up ---
  void set_up_history();
  bool gives_way();

  // --- the run ---
  void serve(int io);
  bool step();
  bool pass_time();
  void run_caller(std::size_t caller);
  void run_io(int io, IoJob job);
  void after_step();
  void run_callers();
  void finish_all();
  void take_counts();

  Chance chance_;
  const ScheduleShape shape_;
  ScheduleCounts counts_;
  FetchParts parts_;
  std::shared_ptr<Budget> budget_;
  std::shared_ptr<PagePool> pool_;
  Scheduler scheduler_;
  VirtualThreads virtual_threads_;
  RefusedMemory memory_;
  ScheduleJudge judge_;
  ScheduleStore store_;
  ScheduleParts shared_;
  ScheduleCallers callers_;
  ShuffledTransport transport_;
  std::vector<Io> io_;
  std::set<std::size_t> looked_;  // callers whose time was up since something last happened
  bool stops_early_ = false;
};

Schedule::Schedule(std::uint64_t seed, ScheduleKind kind, bool with_trace)
    : chance_(chance_seed(seed, kind)),
      shape_(draw_shape(kind, chance_)),
      parts_(anonymous()),
      budget_(std::make_shared<Budget>(shape_.budget_bytes)),
      pool_(PagePool::make({.slot_bytes = shape_.chunk_bytes, .keep_bytes = 0}, parts_.clock)),
      scheduler_(SchedulerOptions{.chunk_bytes = shape_.chunk_bytes,
                                  .little_bytes = shape_.little_bytes,
                                  .kept_bytes = shape_.kept_bytes,
                                  .least_ready_bytes = shape_.least_ready_bytes,
                                  .pieces = shape_.pieces,
                                  .slots = {.threads = shape_.threads,
                                            .start_per_thread = shape_.slots_per_thread,
                                            .most_per_thread = shape_.most_slots_per_thread}},
                 parts_.context, budget_, pool_),
      virtual_threads_(parts_.clock),
      memory_([this] {
        return shape_.no_memory_one_in != 0 && chance_.one_in(shape_.no_memory_one_in);
      }),
      judge_(shape_, with_trace, scheduler_, budget_, *pool_, memory_, parts_, counts_,
             [this] { virtual_threads_.end_all_waits(); }),
      store_(shape_, chance_, counts_),
      shared_{shape_, chance_, scheduler_, judge_, counts_, virtual_threads_, memory_},
      callers_(shared_, store_.objects()),
      transport_(
          scheduler_, parts_.clock, parts_.counters,
          [this](const HttpRequest& request) { return store_.answer(request); }, shape_.threads,
          judge_.watch().questions()) {
  set_up_history();
  scheduler_.set_transport(&transport_);
  virtual_threads_.set_complain([this](const std::string& what) { judge_.complain(what); });
  if (shape_.gives_way_one_in != 0) virtual_threads_.set_gives_way([this] { return gives_way(); });
  io_.resize(static_cast<std::size_t>(shape_.threads));
  for (int i = 0; i < shape_.threads; ++i)
    io_[static_cast<std::size_t>(i)].thread =
        virtual_threads_.add([this, i] { serve(i); }, /*may_wait=*/false);
  callers_.add_all();
}

// What lies behind the connector.
void Schedule::set_up_history() {
  parts_.context.verify_crc64 = shape_.verifies_crc64;
  for (std::uint64_t i = shape_.jitter_drawn; i > 0; --i) parts_.random.uniform();
  add(parts_.counters.requests, shape_.requests_before);
  for (std::uint64_t i = 0; i < shape_.requests_before; ++i)
    parts_.counters.chunk_whole_us.record(1000);
}

bool Schedule::gives_way() {
  if (!chance_.one_in(shape_.gives_way_one_in)) return false;
  ++counts_.gave_way;
  // It does not get the processor back at once: others may find what it has begun slow.
  if (shape_.slow_one_in != 0 && chance_.one_in(8)) parts_.clock.advance(kHeldUp);
  return true;
}

void Schedule::serve(int io) {
  while (true) {
    IoJob& job = io_[static_cast<std::size_t>(io)].job;
    switch (job.kind) {
      case IoJob::Kind::kAsk:
        transport_.ask(io, shape_.is_behind_one_in > 0 && transport_.busy(io) > 0 &&
                               chance_.one_in(shape_.is_behind_one_in));
        break;
      case IoJob::Kind::kPlay:
        transport_.play(io, job.exchange);
        break;
      case IoJob::Kind::kStop:
        transport_.stop(io);
        job = {};
        return;
      case IoJob::Kind::kNone:
        break;
    }
    job = {};
    VirtualThreads::pause();
  }
}

void Schedule::run_caller(std::size_t caller) {
  looked_.clear();
  virtual_threads_.run(callers_.thread(caller));
  after_step();
}

void Schedule::run_io(int io, IoJob job) {
  looked_.clear();
  Io& self = io_[static_cast<std::size_t>(io)];
  if (self.is_idle()) self.job = job;
  virtual_threads_.run(self.thread);
  after_step();
}

// One thing that can happen, happens. False: nothing can by itself.
bool Schedule::step() {
  struct Choice {
    int io;  // negative: a caller
    std::size_t caller;
    IoJob job;
  };
  std::vector<Choice> choices[4];
  for (std::size_t i = 0; i < callers_.count(); ++i) {
    const std::size_t thread = callers_.thread(i);
    if (virtual_threads_.finished(thread) || virtual_threads_.waits(thread)) continue;
    choices[virtual_threads_.gave_way(thread) ? 1 : 0].push_back({-1, i, {}});
  }
  for (int io = 0; io < shape_.threads; ++io) {
    const Io& self = io_[static_cast<std::size_t>(io)];
    if (virtual_threads_.finished(self.thread)) continue;
    if (!self.is_idle()) {
      choices[1].push_back({io, 0, {}});
      continue;
    }
    if (transport_.has_reason_to_ask(io)) choices[2].push_back({io, 0, {IoJob::Kind::kAsk, 0}});
    for (std::size_t i = 0; i < transport_.exchanges(io); ++i) {
      if (transport_.can_play(io, i)) choices[3].push_back({io, 0, {IoJob::Kind::kPlay, i}});
    }
  }
  std::uint64_t total = 0;
  for (int i = 0; i < 4; ++i) total += choices[i].empty() ? 0 : shape_.weights[i];
  if (total == 0) return false;
  std::uint64_t at = chance_.below(total);
  int group = 0;
  for (;; ++group) {
    if (choices[group].empty()) continue;
    if (at < shape_.weights[group]) break;
    at -= shape_.weights[group];
  }
  // Nobody is in the middle of something: time may pass while the store takes its own.
  if (choices[0].empty() && choices[1].empty() && choices[2].empty() &&
      shape_.time_passes_one_in != 0 && chance_.one_in(shape_.time_passes_one_in) && pass_time())
    return true;
  const Choice choice = choices[group][chance_.below(choices[group].size())];
  if (choice.io < 0) {
    run_caller(choice.caller);
  } else {
    run_io(choice.io, choice.job);
  }
  return true;
}

// The next moment at which something has waited long enough. False: there is none that changes
// anything, for every caller has looked since something last happened.
bool Schedule::pass_time() {
  TimePoint due = TimePoint::max();
  for (int io = 0; io < shape_.threads; ++io) {
    if (transport_.next_due(io) > parts_.clock.now()) due = std::min(due, transport_.next_due(io));
    for (std::size_t i = 0; i < transport_.exchanges(io); ++i) {
      if (!transport_.can_play(io, i)) due = std::min(due, transport_.next_part_at(io, i));
    }
  }
  std::optional<std::size_t> late;
  for (std::size_t i = 0; i < callers_.count(); ++i) {
    const std::size_t thread = callers_.thread(i);
    if (virtual_threads_.finished(thread) || !virtual_threads_.waits(thread) ||
        looked_.contains(i) || virtual_threads_.deadline(thread) > due)
      continue;
    due = virtual_threads_.deadline(thread);
    late = i;
  }
  if (due == TimePoint::max()) return false;
  if (due > parts_.clock.now()) parts_.clock.advance(due - parts_.clock.now());
  if (late.has_value()) {
    // It looks again; what it then does, it does with the others as they are.
    if (judge_.with_trace())
      judge_.note(
          "the time of caller " + std::to_string(*late) + " is up, " +
          judge_.watch().streams().where(virtual_threads_.waits_on(callers_.thread(*late))));
    const std::set<std::size_t> looked = looked_;
    virtual_threads_.time_out(callers_.thread(*late));
    run_caller(*late);
    looked_ = looked;
    looked_.insert(*late);
  }
  return true;
}

void Schedule::after_step() {
  ++counts_.steps;
  judge_.watch().after_step();
  for (std::size_t i = 0; i < callers_.count(); ++i) {
    if (virtual_threads_.gave_way(callers_.thread(i))) return;
  }
  for (int io = 0; io < shape_.threads; ++io) {
    if (!io_[static_cast<std::size_t>(io)].is_idle() || transport_.has_reason_to_ask(io)) return;
    // It looks again very soon: that is how it learns that somebody has copied his bytes.
    if (transport_.next_due(io) <= parts_.clock.now() + kSoon) return;
  }
  judge_.watch().after_turn(transport_, callers_.waiting(), shared_.asking_for_views > 0);
}

// Until each has done what it is to do.
void Schedule::run_callers() {
  while (!callers_.all_finished()) {
    // Neither: everybody has looked, nothing is in flight, nothing is due.
    if (!step() && !pass_time() && judge_.may_stand_still(callers_.waiting())) {
      parts_.clock.advance(ScheduleCall::kProgressLimit);
      virtual_threads_.let_waits_run_out();
      looked_.clear();
    }
    judge_.check_length("the run does not end");
  }
}

// All is closed, by a caller of its own; then the store has its say on what is in flight, or not.
void Schedule::finish_all() {
  callers_.add_closer();
  while (!callers_.all_finished()) step();
  stops_early_ = chance_.one_in(4);
  while (!stops_early_ && !judge_.has_complaint() && (step() || pass_time()))
    judge_.check_length("the I/O threads do not come to rest with all closed");
  if (stops_early_) scheduler_.objects().close_all();
  for (int io = 0; io < shape_.threads; ++io) {
    Io& self = io_[static_cast<std::size_t>(io)];
    while (!self.is_idle()) run_io(io, {});
    if (!judge_.has_complaint() && !stops_early_) judge_.check_at_rest(transport_, io);
    while (!virtual_threads_.finished(self.thread)) run_io(io, {IoJob::Kind::kStop, 0});
  }
}

void Schedule::take_counts() {
  counts_.requests = load(parts_.counters.requests) - shape_.requests_before;
  counts_.hedges = load(parts_.counters.hedges);
  counts_.with_hedges = counts_.hedges > 0 ? 1 : 0;
  counts_.retries = load(parts_.counters.retries);
  counts_.refetches = load(parts_.counters.refetches);
  counts_.evicted_unread = judge_.watch().questions().found().evicted_unread;
  counts_.evicted_consumed = judge_.watch().questions().found().evicted_consumed;
  counts_.pieces = judge_.watch().questions().found().pieces;
  counts_.whole_pieces = judge_.watch().questions().found().whole_pieces;
  counts_.sweeps_ended = judge_.watch().streams().sweeps_ended();
  counts_.refused_blocks = memory_.blocks();
  counts_.refused_regions = memory_.regions();
}

ScheduleResult Schedule::run() {
  judge_.note("chunks of " + std::to_string(shape_.chunk_bytes) + " bytes, budget of " +
              std::to_string(shape_.budget_bytes) + ", " + std::to_string(shape_.threads) + " x " +
              std::to_string(shape_.slots_per_thread) + " slots");
  for (const StoredObject& object : shape_.objects)
    judge_.note(object.key + " has " + std::to_string(object.now().fake.size) + " bytes");
  run_callers();
  assert(callers_.all_finished());
  if (!judge_.has_complaint()) judge_.check_nobody_waits();
  finish_all();
  callers_.drop_all();
  if (!judge_.has_complaint()) judge_.check_end(stops_early_, pool_);
  take_counts();
  return {judge_.complaint(), judge_.trace(), counts_};
}

}  // namespace

ScheduleResult run_schedule(std::uint64_t seed, ScheduleKind kind, bool with_trace) {
  return Schedule(seed, kind, with_trace).run();
}

}  // namespace ossmc
