// ScheduleStore: the store under a random schedule: what it answers to a request, sometimes slowly,
// sometimes without regard to the range, and which of the faults of the schedule's shape befalls
// that answer. Its objects become others meanwhile.
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
  // `counts`: of the run; what it does beyond plain answers is counted there.
  ScheduleStore(const ScheduleShape& shape, Chance& chance, ScheduleCounts& counts)
      : shape_(shape), chance_(chance), counts_(counts), objects_(shape.objects) {}

  // They stay where they are.
  const std::vector<StoredObject>& objects() const { return objects_; }

  FakeReply answer(HttpRequest request);

 private:
  bool has_no_socket();
  void maybe_change(StoredObject& object);
  void maybe_ignore_if_match(const StoredVersion& now, HttpRequest& request);
  FakeReply right_reply(const FakeObject& object, const HttpRequest& request,
                        std::size_t piece_bytes);
  FakeReply fault(Fault fault, const FakeObject& object, const HttpRequest& request);

  const ScheduleShape& shape_;
  Chance& chance_;
  ScheduleCounts& counts_;
  std::vector<StoredObject> objects_;
  std::uint64_t refuses_sockets_ = 0;  // so many more
};

}  // namespace ossmc
