#include "prefetch/object_open.h"

#include <algorithm>
#include <utility>

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
      case StreamState::kNeedsHead: {
        const Result<ObjectVersion> version =
            head_object(scheduler, stream.name(), limit, interrupt);
        if (version.status().code() == StatusCode::kInterrupted) return version.status();
        scheduler.complete_open(stream, version);
        continue;
      }
      case StreamState::kOpening:
        break;
    }
    if (interrupt.pending()) return Status(StatusCode::kInterrupted, "interrupted");
    const TimePoint now = clock.now();
    if (now >= deadline) {
      ErrorDetail detail;
      detail.uri = stream.name().uri();
      return Status(StatusCode::kTransferTimeout,
                    "open of " + printable(detail.uri) + " had no reply within timeout.readSeconds",
                    detail);
    }
    stream.wait_while_opening(std::min<Duration>(kWaitSlice, deadline - now));
  }
}

Result<ObjectVersion> head_object(Scheduler& scheduler, const ObjectName& name, Duration limit,
                                  Interrupt& interrupt) {
  const auto pending =
      scheduler.small_requests().submit(Operation::kHeadObject, head_request(name.bucket, name.key),
                                        "HEAD " + printable(name.uri()), name.uri(), 64 * 1024);
  const Status status = pending->wait(interrupt, scheduler.context().clock, limit);
  if (!status.is_ok()) return status;
  CheckedReply checked = check_head_reply(pending->head());
  if (checked.failure.has_value())
    return checked.failure->status.with_prefix("HEAD " + printable(name.uri()));
  return std::move(checked.version);
}

}  // namespace ossmc
