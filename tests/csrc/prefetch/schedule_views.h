// ScheduleViews: the views of a random schedule's callers: asked for, perhaps in vain, and dropped,
// while other views of the same object live or not, and before their object is closed or after.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "csrc/prefetch/schedule_call.h"
#include "csrc/prefetch/schedule_handle.h"
#include "memory/view_region.h"

namespace ossmc {

// Each call but drop_all() is made by the virtual thread of a caller.
class ScheduleViews {
 public:
  // A caller's own views.
  struct View {
    std::weak_ptr<ObjectStream> stream;
    std::uint64_t sequence = 0;
    const StoredVersion* version = nullptr;
    std::shared_ptr<ViewRegion> region;
  };
  using Views = std::vector<View>;

  explicit ScheduleViews(ScheduleParts& parts) : parts_(parts) {}

  void ask(Views& views, const ScheduleHandle& handle);
  // One of them. REQUIRES: there is one.
  void drop(Views& views);
  // Leaves them to live on until all objects are closed.
  void leave(Views& views);
  // Those that were left.
  void drop_left();

 private:
  ScheduleParts& parts_;
  Views left_;
  std::set<std::uint64_t> had_views_;  // by sequence: objects that had one, and have none
};

}  // namespace ossmc
