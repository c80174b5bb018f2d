#include "csrc/prefetch/schedule_judge.h"

#include <chrono>
#include <utility>

#include "csrc/prefetch/virtual_threads.h"
#include "prefetch/stream_reader.h"
#include "support/csrc/pattern.h"

namespace ossmc {

namespace {

// An object that shrank under its ETag, or whose ETag nobody looked at, has not the range any more
// that one who knows it asks for; one that was empty when its first bytes were asked for, and had
// some at the HEAD after that, is taken for one of a store that refuses ranges.
bool may_find_no_range(const StoredObject& object, bool ignores_if_match) {
  const auto& versions = object.versions;
  for (std::size_t i = 0; i + 1 < versions.size(); ++i) {
    if (versions[i].fake.size == 0 || ignores_if_match) return true;
    if (versions[i].fake.etag == versions[i + 1].fake.etag) return true;
  }
  return false;
}

// Far more than any run takes.
constexpr std::uint64_t kMostSteps = 1'000'000;
constexpr Duration kLongestRun = std::chrono::hours(24 * 30);
constexpr std::size_t kTraceLines = 120;

WatchOptions watch_options(const ScheduleShape& shape, const PagePool& pool,
                           const RefusedMemory& memory) {
  const bool finds_level = shape.most_slots_per_thread > shape.slots_per_thread;
  return {.chunk_bytes = shape.chunk_bytes,
          .pool = &pool,
          .memory = &memory,
          .least_ready_bytes = shape.least_ready_bytes,
          // A level that is found may be as low as one a thread.
          .least_slots = finds_level ? 1 : shape.slots_per_thread,
          .most_slots = shape.most_slots_per_thread,
          .around_questions = shape.kind == ScheduleKind::kOneAtATime};
}

}  // namespace

ScheduleJudge::ScheduleJudge(const ScheduleShape& shape, bool with_trace, Scheduler& scheduler,
                             std::shared_ptr<Budget> budget, const PagePool& pool,
                             const RefusedMemory& memory, const FetchParts& parts,
                             ScheduleCounts& counts, std::function<void()> end_run)
    : shape_(shape),
      with_trace_(with_trace),
      scheduler_(scheduler),
      budget_(std::move(budget)),
      clock_(parts.clock),
      start_(clock_.now()),
      counts_(counts),
      end_run_(std::move(end_run)),
      watch_(
          watch_options(shape, pool, memory), scheduler, budget_, parts.counters,
          [this](const std::string& what) { complain(what); },
          with_trace ? [this](const std::string& what) { note(what); }
                     : std::function<void(const std::string&)>()) {}

void ScheduleJudge::complain(const std::string& what) {
  if (has_complaint()) return;
  note("COMPLAINT: " + what);
  complaint_ = what;
  end_run_();
}

void ScheduleJudge::note(const std::string& what) {
  if (!with_trace_ || has_complaint()) return;
  trace_.push_back(std::to_string(counts_.steps) + ": " + what + ", " +
                   std::to_string(budget_->free_bytes()) + " free");
  if (trace_.size() > kTraceLines) trace_.pop_front();
}

// --- what callers get ---

bool ScheduleJudge::outcome(const char* what, const ObjectStream& stream,
                            const StoredObject& object, const Status& status,
                            const Circumstances& circumstances) {
  note(std::string(what) + " of " + chunk_name(stream, 0) + ": " +
       (status.is_ok() ? "done" : status.message()));
  if (status.is_ok()) return true;
  ++counts_.errors;
  if (status.code() == StatusCode::kInterrupted || status.code() == StatusCode::kTransferTimeout)
    watch_.after_abandoned();
  if (!is_explained(stream, object, status, circumstances))
    complain(std::string(what) + " of " + object.key + " failed for no reason: " +
             std::string(status_code_name(status.code())) + ", " + status.message());
  return false;
}

bool ScheduleJudge::is_explained(const ObjectStream& stream, const StoredObject& object,
                                 const Status& status, const Circumstances& circumstances) {
  switch (status.code()) {
    case StatusCode::kClosed:
      return stream.is_closed();
    case StatusCode::kInterrupted:
      return circumstances.was_interrupted;
    case StatusCode::kConnect:
      return (shape_.faults & (kResets | kCutOff | kShortBody | kLongBody)) != 0 ||
             counts_.refused_sockets > 0;
    case StatusCode::kThrottled:
      return shape_.has(kThrottling);
    case StatusCode::kServer:
      return shape_.has(kServerErrors);
    case StatusCode::kTransferTimeout:
      return shape_.has(kStalls) || has_stood_still_for_views_ || circumstances.had_short_limit;
    case StatusCode::kProtocol:
      return shape_.has(kLongBody) ||
             may_find_no_range(object, shape_.ignores_if_match_one_in != 0);
    case StatusCode::kObjectNotFound:
      return shape_.has(kNotFound);
    case StatusCode::kObjectChanged:
      return check_version(stream, object) != &object.now();
    case StatusCode::kChecksum:
      return shape_.has(kWrongCrc);
    case StatusCode::kMemoryBudget:
      return circumstances.memory_was_refused ||
             (circumstances.asks_for_view && may_lack_memory_for_views(stream, circumstances));
    default:
      return false;
  }
}

bool ScheduleJudge::may_lack_memory_for_views(const ObjectStream& stream,
                                              const Circumstances& circumstances) const {
  // Where threads give way, the views that stood in the way may be gone by now.
  if (shape_.kind == ScheduleKind::kGivingWay) return true;
  return stream.size() > budget_->limit_bytes() || watch_.streams().any_view() ||
         circumstances.callers_asking_for_views > 1;
}

const StoredVersion* ScheduleJudge::check_version(const ObjectStream& stream,
                                                  const StoredObject& object) {
  const StoredVersion* const version = object.version(stream.version().etag, stream.version().size);
  if (version == nullptr) complain(object.key + " is open as what it never was");
  return version;
}

void ScheduleJudge::check_bytes(const char* what, const StoredVersion& version,
                                std::uint64_t offset, std::span<const std::byte> bytes) {
  ++counts_.reads;
  if (!matches_pattern(bytes.data(), version.fake.seed, offset, bytes.size()))
    complain(std::string(what) + " of " + version.fake.etag + " at " + std::to_string(offset) +
             " gave wrong bytes");
}

void ScheduleJudge::check_line(const StoredVersion& version, std::uint64_t offset,
                               std::uint64_t limit, std::uint64_t length) {
  const std::string bytes = pattern_string(version.fake.seed, offset, limit);
  const std::size_t found = bytes.find('\n');
  if (length != (found == bytes.npos ? limit : found + 1))
    complain("a line of " + version.fake.etag + " has a wrong length");
}

// A read of what is there takes no mutex, wakes nobody and waits for nobody, unless it ends a
// chunk.
bool ScheduleJudge::read_if_ready(ObjectStream& stream, std::uint64_t offset,
                                  std::span<std::byte> out) {
  const std::uint64_t index = offset / shape_.chunk_bytes;
  const Chunk& chunk = stream.slot(index).chunk;
  const bool was_whole = chunk.handed_out_whole();
  const std::uint64_t mutexes = mutexes_taken();
  const bool ready = read_stream_if_ready(scheduler_, stream, offset, out);
  const std::uint64_t taken = mutexes_taken() - mutexes;
  const bool ends_chunk =
      offset + out.size() == stream.chunk_begin(index) + stream.chunk_length(index);
  // After the last copy from a closed object its memory goes.
  if (ends_chunk || chunk.handed_out_whole() != was_whole || stream.is_closed()) return ready;
  // Nobody else ran, or it may have been another's doing.
  if (shape_.kind == ScheduleKind::kOneAtATime && taken != 0)
    complain("a read of ready bytes took a mutex");
  return ready;
}

void ScheduleJudge::check_wake_up(bool went_on_unwoken) {
  if (went_on_unwoken) complain("a wake-up was lost: a caller went on because its time was up");
}

// --- the run as a whole ---

bool ScheduleJudge::may_stand_still(const std::vector<const void*>& waiting) {
  std::string who;
  for (const void* word : waiting) who += (who.empty() ? "" : "; ") + watch_.streams().where(word);
  if (!watch_.is_for_views_to_end()) {
    complain("everything stands still, and somebody waits: " + who);
    return false;
  }
  note("all wait for memory that views hold: " + who);
  ++counts_.waited_for_views;
  has_stood_still_for_views_ = true;
  return true;
}

void ScheduleJudge::check_length(const char* complaint) {
  if (counts_.steps > kMostSteps || clock_.now() - start_ > kLongestRun) complain(complaint);
}

// --- its end ---

void ScheduleJudge::check_nobody_waits() { watch_.after_callers(); }

void ScheduleJudge::check_memory_closed() {
  if (shape_.kind == ScheduleKind::kOneAtATime && scheduler_.memory_bytes() != 0)
    complain("memory_bytes() is not 0 with all closed");
}

void ScheduleJudge::check_at_rest(ShuffledTransport& transport, int io) {
  if (transport.exchanges(io) != 0) complain("an exchange did not end");
  transport.ask(io, false);
  if (transport.exchanges(io) != 0) complain("something was started with all closed");
  if (transport.next_due(io) != TimePoint::max()) complain("something is due with all closed");
}

void ScheduleJudge::check_end(bool stopped_early, const std::shared_ptr<PagePool>& pool) {
  watch_.at_end(stopped_early);
  // One is the run's, one the scheduler's.
  if (pool.use_count() != 2)
    complain(std::to_string(pool.use_count() - 2) + " buffers of the pool did not come back");
}

}  // namespace ossmc
