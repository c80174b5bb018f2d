// ScheduleCallers: what the callers of a random schedule do: each opens, reads, views and closes
// as chance has it, on handles that all of them share, as the Python layer does it. What they get
// is for the judge to say.
//
// Each caller is a virtual thread. When it goes on, and how long it waits, is the run's to decide
// (random_schedule.h).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "csrc/prefetch/invariant_watch.h"
#include "csrc/prefetch/schedule_judge.h"
#include "csrc/prefetch/schedule_result.h"
#include "csrc/prefetch/schedule_shape.h"
#include "csrc/prefetch/virtual_threads.h"
#include "prefetch/scheduler.h"
#include "support/csrc/chance.h"

namespace ossmc {

class ScheduleCallers {
 public:
  // Longer than all attempts of a chunk take, hanging ones too: a read that gets no byte for so
  // long waits for something that does not come.
  static constexpr Duration kProgressLimit = std::chrono::hours(1);

  // `objects`: of the store.
  ScheduleCallers(const ScheduleShape& shape, Chance& chance,
                  const std::vector<StoredObject>& objects, Scheduler& scheduler,
                  ScheduleJudge& judge, ScheduleCounts& counts, VirtualThreads& virtual_threads);
  ScheduleCallers(const ScheduleCallers&) = delete;
  ScheduleCallers& operator=(const ScheduleCallers&) = delete;

  // Those of the schedule's shape.
  void add_all();
  // One more, which closes all that is open.
  void add_closer();
  std::size_t count() const { return callers_.size(); }
  // Its virtual thread.
  std::size_t thread(std::size_t caller) const { return callers_[caller]->thread; }
  bool all_finished() const;
  // The words on which callers wait.
  std::vector<const void*> waiting() const;
  std::ptrdiff_t asking_for_views() const;
  // Whatever they still hold. REQUIRES: all_finished().
  void drop_all();

 private:
  struct Handle {
    std::shared_ptr<ObjectStream> stream;
    const StoredObject* object = nullptr;
    std::uint64_t cursor = 0;
  };
  struct Caller {
    std::size_t thread = 0;
    int actions_left = 0;
    bool asks_for_view = false;
    bool was_interrupted = false;
    struct View {
      const StoredObject* object;
      std::uint64_t sequence;
      std::shared_ptr<ViewRegion> region;
    };
    std::vector<View> views;
  };
  class CallerInterrupt;

  void call(Caller& caller);
  void act(Caller& caller);
  void open(Caller& caller);
  void open_known();
  void close_one();
  void close_all();
  void read_on(Caller& caller, Handle& handle);
  void read_at(Caller& caller, Handle& handle);
  void read_ranges(Caller& caller, Handle& handle);
  void read_line(Caller& caller, Handle& handle);
  void copy_slowly(Handle& handle);
  void view(Caller& caller, Handle& handle);
  void drop_view(Caller& caller);
  bool outcome(const Caller& caller, const char* what, const ObjectStream& stream,
               const StoredObject& object, const Status& status);

  const ScheduleShape& shape_;
  Chance& chance_;
  const std::vector<StoredObject>& objects_;
  Scheduler& scheduler_;
  ScheduleJudge& judge_;
  InvariantWatch& watch_;
  ScheduleCounts& counts_;
  VirtualThreads& virtual_threads_;
  std::vector<std::shared_ptr<Handle>> handles_;
  std::vector<std::unique_ptr<Caller>> callers_;
};

}  // namespace ossmc
