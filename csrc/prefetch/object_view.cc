#include "prefetch/object_view.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace ossmc {

namespace {

// A copy takes a millisecond or two, and nobody tells of its end.
constexpr Duration kCopyPoll = std::chrono::milliseconds(1);

Status no_memory_in_time(const ObjectStream& stream, Duration limit) {
  const auto waited_s = std::chrono::duration_cast<std::chrono::seconds>(limit).count();
  return stream.error(StatusCode::kTransferTimeout,
                      "getbuffer of " + printable(stream.name().uri()) + " waited " +
                          std::to_string(waited_s) + " s (timeout.readSeconds) for " +
                          std::to_string(stream.size()) +
                          " bytes of prefetch.memoryBytes: release views, or close readers");
}

// Waits for memory until it is this view's turn and there is enough; on success its chunks are
// claimed, and it uses the region.
Result<std::shared_ptr<ViewRegion>> reserve(Scheduler& scheduler, ObjectStream& stream,
                                            const ReadOptions& options, Interrupt& interrupt) {
  Result<std::shared_ptr<ViewRegion>> fresh = ViewRegion::make(stream.size());
  while (!fresh.is_ok() && scheduler.views().give_up_for(stream.size()))
    fresh = ViewRegion::make(stream.size());
  if (!fresh.is_ok()) return stream.error(fresh.status().code(), fresh.status().message());
  const Clock& clock = scheduler.context().clock;
  const TimePoint deadline = clock.now() + options.progress_limit;
  Views& views = scheduler.views();
  const std::uint64_t turn = views.take_turn();
  while (true) {
    const std::uint32_t epoch = views.memory_signal().epoch();
    ViewAnswer answer = ViewAnswer::kNoMemory;
    std::shared_ptr<ViewRegion> region;
    Status status = views.try_reserve(stream, turn, *fresh, &answer, &region);
    if (status.is_ok() && answer == ViewAnswer::kReserved) return region;
    const TimePoint now = clock.now();  // before the interrupt, which may take its time
    if (status.is_ok() && interrupt.pending())
      status = Status(StatusCode::kInterrupted, "interrupted");
    if (status.is_ok() && now >= deadline)
      status = no_memory_in_time(stream, options.progress_limit);
    if (!status.is_ok()) {
      views.give_up_turn(turn);
      return status;
    }
    Duration slice = answer == ViewAnswer::kCopied ? kCopyPoll : kWaitSlice;
    const Duration memory_poll = scheduler.budget()->tell_lack();
    if (memory_poll > Duration::zero()) slice = std::min(slice, memory_poll);
    views.memory_signal().wait(epoch, std::min<Duration>(slice, deadline - now));
  }
}

// The chunk's bytes are there, and are to be in the region. Just now another reader may copy from
// them, or a view of the chunk is held, or its fetch has not ended.
Status move(Scheduler& scheduler, ObjectStream& stream, std::uint64_t index, std::uint32_t failures,
            const ReadOptions& options, Interrupt& interrupt) {
  const Clock& clock = scheduler.context().clock;
  const TimePoint deadline = clock.now() + options.progress_limit;
  while (!scheduler.views().move_into_region(stream, index)) {
    Status status = scheduler.claims().failure_since(stream, index, failures);
    if (stream.is_closed()) status = closed_status();
    const TimePoint now = clock.now();  // before the interrupt, which may take its time
    if (status.is_ok() && interrupt.pending())
      status = Status(StatusCode::kInterrupted, "interrupted");
    if (status.is_ok() && now >= deadline)
      status = stream.error(StatusCode::kTransferTimeout,
                            "getbuffer of " + printable(stream.name().uri()) +
                                " waited for a view of one of its chunks to be released "
                                "(timeout.readSeconds)");
    if (!status.is_ok()) return status;
    scheduler.views().memory_signal().wait(scheduler.views().memory_signal().epoch(), kCopyPoll);
  }
  return Status::ok();
}

Status fill(Scheduler& scheduler, ObjectStream& stream, const ReadOptions& options,
            Interrupt& interrupt) {
  for (std::uint64_t index = 0; index < stream.chunk_count(); ++index) {
    const std::uint32_t failures = scheduler.claims().claim(stream, index);
    Status status = wait_for_chunk(scheduler, stream, index, failures, stream.chunk_length(index),
                                   options, interrupt);
    if (status.is_ok()) status = move(scheduler, stream, index, failures, options, interrupt);
    // Another view's thread may be the one that moves it.
    if (status.is_ok())
      status = wait_for_chunk(scheduler, stream, index, failures, stream.chunk_length(index),
                              options, interrupt);
    scheduler.claims().release(stream, index);
    if (!status.is_ok()) return status;
    Chunk& chunk = stream.slot(index).chunk;
    if (chunk.mark_handed_out(0, chunk.length())) stream.verification.note_chunk_handed_out();
  }
  return wait_for_verdict(scheduler, stream, options, interrupt);
}

}  // namespace

Result<std::shared_ptr<ViewRegion>> view_stream(Scheduler& scheduler, ObjectStream& stream,
                                                const ReadOptions& options, Interrupt& interrupt) {
  Result<std::shared_ptr<ViewRegion>> region = reserve(scheduler, stream, options, interrupt);
  if (!region.is_ok()) return region.status();
  Status status = fill(scheduler, stream, options, interrupt);
  if (status.is_ok() && stream.is_closed()) status = closed_status();
  std::shared_ptr<ViewRegion> view =
      scheduler.views().finish(stream, std::move(region).value(), status.is_ok());
  if (!status.is_ok()) return status;
  return view;
}

}  // namespace ossmc
