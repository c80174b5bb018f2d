// ScheduleStore: the store under a random schedule: what it answers to a request, sometimes slowly,
// sometimes without regard to the range, and which of the faults of the schedule's shape befalls
// that answer.
#pragma once

#include <vector>

#include "csrc/prefetch/schedule_result.h"
#include "csrc/prefetch/schedule_shape.h"
#include "support/csrc/chance.h"
#include "support/csrc/fake_transport.h"

namespace ossmc {

// Used by one thread.
class ScheduleStore {
 public:
  // `counts`: of the run; HEADs and replies of whole objects are counted here.
  ScheduleStore(const ScheduleShape& shape, Chance& chance, ScheduleCounts& counts)
      : shape_(shape), chance_(chance), counts_(counts), objects_(shape.objects) {}

  // Objects may be overwritten meanwhile; they stay where they are.
  const std::vector<StoredObject>& objects() const { return objects_; }

  FakeReply answer(const HttpRequest& request);

 private:
  FakeReply right_reply(const StoredObject& object, const HttpRequest& request,
                        std::size_t piece_bytes);
  FakeReply fault(Fault fault, const StoredObject& object, const HttpRequest& request);

  const ScheduleShape& shape_;
  Chance& chance_;
  ScheduleCounts& counts_;
  std::vector<StoredObject> objects_;
};

}  // namespace ossmc
