#include "prefetch/object_open.h"

#include <algorithm>
#include <utility>

#include "prefetch/head_request.h"

namespace ossmc {

Status wait_until_open(Scheduler& scheduler, ObjectStream& stream, Duration limit,
                       Interrupt& interrupt) {
  const Clock& clock = scheduler.context().clock;
  const TimePoint deadline = clock.now() + limit;
  while (true) {
    switch (stream.state()) {
      case StreamState::kOpen:
        return Status::ok();
      case StreamState::kFailed:
        return stream.failure();
      case StreamState::kClosed:
        return Status(StatusCode::kClosed, "the connector was closed");
      case StreamState::kOpening:
        break;
    }
    // Before the interrupt, which may take its time: what came meanwhile is looked at first.
    const TimePoint now = clock.now();
    if (interrupt.pending()) return Status(StatusCode::kInterrupted, "interrupted");
    if (now >= deadline) {
      return stream.error(StatusCode::kTransferTimeout,
                          "open of " + printable(stream.name().uri()) +
                              " had no reply within timeout.readSeconds: check the endpoint and "
                              "the network (ossmc doctor)");
    }
    stream.wait_while_opening(std::min<Duration>(kWaitSlice, deadline - now));
  }
}

Result<ObjectVersion> head_object(Scheduler& scheduler, const ObjectName& name, Duration limit,
                                  Interrupt& interrupt) {
  const AskedVersion version{.id = name.version_id, .replier = scheduler.context().store.replier()};
  const Clock& clock = scheduler.context().clock;
  const TimePoint deadline = clock.now() + limit;
  const auto head = ask_head(scheduler.small_requests(), name);
  Status status = head->wait(interrupt, clock, limit);
  if (!status.is_ok() && !is_unexplained(status)) return status;
  if (status.is_ok() && tells_size(*head, version)) return version_of_head(*head, name, version);
  const auto size = ask_size(scheduler.small_requests(), name);
  status = size->wait(interrupt, clock, deadline - clock.now());
  if (!status.is_ok()) return status;
  return version_of_size(head->head(), *size, name, version);
}

}  // namespace ossmc
