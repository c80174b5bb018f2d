// ScheduleCall: one call of a caller that may wait: how long, what ends it before it is done, and
// what may explain its error.
#pragma once

#include <cstdint>

#include "base/wait.h"
#include "csrc/prefetch/refused_memory.h"
#include "csrc/prefetch/schedule_judge.h"
#include "csrc/prefetch/schedule_result.h"
#include "csrc/prefetch/schedule_shape.h"
#include "csrc/prefetch/virtual_threads.h"
#include "prefetch/scheduler.h"
#include "prefetch/stream_reader.h"
#include "support/csrc/chance.h"

namespace ossmc {

// What the rooms of a run share.
struct ScheduleParts {
  const ScheduleShape& shape;
  Chance& chance;
  Scheduler& scheduler;
  ScheduleJudge& judge;
  ScheduleCounts& counts;
  VirtualThreads& virtual_threads;
  const RefusedMemory& memory;
  int asking_for_views = 0;  // callers, just now
};

// Made and used by the virtual thread that calls.
class ScheduleCall final : public Interrupt {
 public:
  // Longer than all attempts of a chunk take, hanging ones too: a read that gets no byte for so
  // long waits for something that does not come.
  static constexpr Duration kProgressLimit = std::chrono::hours(1);

  enum class What : std::uint8_t { kOpen, kRead, kReadRanges, kView };

  ScheduleCall(ScheduleParts& parts, What what);
  ~ScheduleCall() override;
  ScheduleCall(const ScheduleCall&) = delete;
  ScheduleCall& operator=(const ScheduleCall&) = delete;

  Duration limit() const { return limit_; }
  bool has_pieces() const { return has_pieces_; }
  ReadOptions options(bool sequential = false) const {
    return {.progress_limit = limit_, .sequential = sequential, .pieces = has_pieces_};
  }
  // The user's Ctrl-C, and the end of a run that has failed.
  bool pending() override;
  // True: it was done. `name`: in complaints.
  bool ended(const char* name, const ObjectStream& stream, const StoredObject& object,
             const Status& status);

 private:
  void count(const Status& status);

  ScheduleParts& parts_;
  const What what_;
  const Duration limit_;
  const bool has_pieces_;
  const std::uint64_t refusals_before_;
  bool was_interrupted_ = false;
};

}  // namespace ossmc
