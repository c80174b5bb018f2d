// ScheduleJudge: says whether what happens in a random schedule is right: which bytes and errors a
// caller may get, when all may stand still, how long a run may take, what may be left at its end.
// The first thing that is wrong becomes the run's complaint; the trace tells what led to it.
//
// It decides nothing of what happens, but for a complaint: that ends the run. What the scheduler
// may do is watched by the InvariantWatch that it owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "csrc/prefetch/invariant_watch.h"
#include "csrc/prefetch/refused_memory.h"
#include "csrc/prefetch/schedule_result.h"
#include "csrc/prefetch/schedule_shape.h"
#include "csrc/prefetch/shuffled_transport.h"
#include "prefetch/scheduler.h"
#include "support/csrc/fetch_parts.h"

namespace ossmc {

// One for each run; used by its one real thread.
class ScheduleJudge {
 public:
  // What was so when a caller asked, and may explain an error that it got.
  struct Circumstances {
    bool was_interrupted = false;
    bool had_short_limit = false;
    bool memory_was_refused = false;  // by the system, since he asked
    bool asks_for_view = false;
    int callers_asking_for_views = 0;
  };

  // `end_run`: called at the first complaint. `counts`: of the run, some of them counted here.
  ScheduleJudge(const ScheduleShape& shape, bool with_trace, Scheduler& scheduler,
                std::shared_ptr<Budget> budget, const PagePool& pool, const RefusedMemory& memory,
                const FetchParts& parts, ScheduleCounts& counts, std::function<void()> end_run);

  InvariantWatch& watch() { return watch_; }

  void complain(const std::string& what);
  bool has_complaint() const { return !complaint_.empty(); }
  const std::string& complaint() const { return complaint_; }
  bool with_trace() const { return with_trace_; }
  // Into the trace, if there is one.
  void note(const std::string& what);
  std::vector<std::string> trace() const { return {trace_.begin(), trace_.end()}; }

  // --- what callers get ---
  // True: it was done. An error must have a reason.
  bool outcome(const char* what, const ObjectStream& stream, const StoredObject& object,
               const Status& status, const Circumstances& circumstances);
  // Which version of the object this is; it is one. REQUIRES: the stream is or was open.
  const StoredVersion* check_version(const ObjectStream& stream, const StoredObject& object);
  // They are those of the version that was opened, whatever the store has now.
  void check_bytes(const char* what, const StoredVersion& version, std::uint64_t offset,
                   std::span<const std::byte> bytes);
  // `length`: of the line at `offset`, of which at most `limit` bytes were looked at.
  void check_line(const StoredVersion& version, std::uint64_t offset, std::uint64_t limit,
                  std::uint64_t length);
  // As read_stream_if_ready(), and watches what that takes.
  bool read_if_ready(ObjectStream& stream, std::uint64_t offset, std::span<std::byte> out);
  // `went_on_unwoken`: the caller owes its end to having looked by itself.
  void check_wake_up(bool went_on_unwoken);

  // --- the run as a whole ---
  // Nothing can happen any more, and readers wait on these words. True: for memory that views hold.
  bool may_stand_still(const std::vector<const void*>& waiting);
  // Complains with these words of a run that is too long.
  void check_length(const char* complaint);

  // --- its end ---
  // All callers have what they asked for, or not.
  void check_nobody_waits();
  // All streams are closed, all views are gone.
  void check_memory_closed();
  // All are closed, and the I/O threads came to rest. Has this one ask once more.
  void check_at_rest(ShuffledTransport& transport, int io);
  // `stopped_early`: the I/O threads were stopped before they came to rest.
  void check_end(bool stopped_early, const std::shared_ptr<PagePool>& pool);

 private:
  bool is_explained(const ObjectStream& stream, const StoredObject& object, const Status& status,
                    const Circumstances& circumstances);
  bool may_lack_memory_for_views(const ObjectStream& stream,
                                 const Circumstances& circumstances) const;

  const ScheduleShape& shape_;
  const bool with_trace_;
  Scheduler& scheduler_;
  const std::shared_ptr<Budget> budget_;
  const FakeClock& clock_;
  const TimePoint start_;
  ScheduleCounts& counts_;
  const std::function<void()> end_run_;
  InvariantWatch watch_;
  bool has_stood_still_for_views_ = false;
  std::string complaint_;
  std::deque<std::string> trace_;
};

}  // namespace ossmc
