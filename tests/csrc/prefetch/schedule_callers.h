// ScheduleCallers: what the callers of a random schedule do: each opens, reads, views and closes
// as chance has it, on handles that all of them share, as the Python layer does it. What they get
// is for the judge to say; reads are in schedule_reads.h, views in schedule_views.h.
//
// Each caller is a virtual thread. When it goes on, and how long it waits, is the run's to decide
// (random_schedule.h).
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "csrc/prefetch/schedule_call.h"
#include "csrc/prefetch/schedule_handle.h"
#include "csrc/prefetch/schedule_reads.h"
#include "csrc/prefetch/schedule_views.h"

namespace ossmc {

class ScheduleCallers {
 public:
  // `objects`: of the store.
  ScheduleCallers(ScheduleParts& parts, const std::vector<StoredObject>& objects)
      : parts_(parts), objects_(objects), reads_(parts), views_(parts) {}
  ScheduleCallers(const ScheduleCallers&) = delete;
  ScheduleCallers& operator=(const ScheduleCallers&) = delete;

  // Those of the schedule's shape.
  void add_all();
  // One more, which closes all that is open, and then drops the views that were left.
  void add_closer();
  std::size_t count() const { return callers_.size(); }
  // Its virtual thread.
  std::size_t thread(std::size_t caller) const { return callers_[caller]->thread; }
  bool all_finished() const;
  // The words on which callers wait.
  std::vector<const void*> waiting() const;
  // Whatever they still hold. REQUIRES: all_finished().
  void drop_all();

 private:
  struct Caller {
    std::size_t thread = 0;
    int actions_left = 0;
    ScheduleViews::Views views;
  };

  void call(Caller& caller);
  void act(Caller& caller);
  void act_on_views(Caller& caller);
  std::shared_ptr<ScheduleHandle> some_handle();
  void open();
  void open_known();
  void close_one();
  void close_all();

  ScheduleParts& parts_;
  const std::vector<StoredObject>& objects_;
  ScheduleReads reads_;
  ScheduleViews views_;
  std::vector<std::shared_ptr<ScheduleHandle>> handles_;
  std::vector<std::unique_ptr<Caller>> callers_;
};

}  // namespace ossmc
