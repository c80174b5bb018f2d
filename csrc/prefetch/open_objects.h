// OpenObjects: opens objects, in the order in which they are to be fetched, and closes them.
#pragma once

#include <memory>
#include <vector>

#include "base/status.h"
#include "fetch/response_check.h"
#include "prefetch/scheduler_state.h"
#include "protocol/object_name.h"

namespace ossmc {

// Thread-safe. Owned by the Scheduler; works on its state.
class OpenObjects {
 public:
  using StreamPtr = std::shared_ptr<ObjectStream>;

  // `owner`: of the fetches, told of those that waited for a retry.
  OpenObjects(SchedulerState& state, ChunkFetchOwner& owner) : state_(state), owner_(owner) {}

  // Puts the object behind all opened before it. Where it is prefetched it asks for the first
  // chunk, else with HEAD. Where the version is listed it does not ask before it fetches what is
  // read, and where it is confirmed not before it prefetches: then it is open, or failed, at once.
  // Does not block.
  StreamPtr open(ObjectName name, StreamOptions options = {});
  // The same for an object whose version is known already (a reader reopened in a forked child). No
  // request is made yet, and it is not swept.
  Result<StreamPtr> open_known(ObjectName name, const ObjectVersion& version,
                               StreamOptions options = {});
  // The same for an object that came with wrong bytes: all of it is fetched anew, from the next
  // claim on, whether it is prefetched or not.
  Result<StreamPtr> open_again(const ObjectStream& suspect);
  // Gives its memory back, cancels its fetches, ends its blocked reads. No-op the second time.
  void close(ObjectStream& stream);
  // All streams, and no new ones.
  void close_all();

  // Sends a HEAD for those whose first GET could not tell the version.
  void ask_heads(std::vector<StreamPtr> streams);
  // The version is known, by HEAD or by a first GET that brought no bytes; or why it cannot be.
  void complete(ObjectStream& stream, const Result<ObjectVersion>& version);

 private:
  // Of one whose HEAD did not tell the size.
  void ask_size_of(const StreamPtr& stream, const ResponseHead& head);
  // `is_second`: it follows a HEAD.
  void keep_for_close(ObjectStream& stream, std::shared_ptr<PendingReply> reply, bool is_second)
      OSSMC_EXCLUDES(state_.mutex);
  StreamPtr open_listed(ObjectName name, StreamOptions options);
  Result<StreamPtr> open_version(ObjectName name, const ObjectVersion& version, bool sweep,
                                 StreamOptions options);
  StreamPtr add(ObjectName name, StreamOptions options) OSSMC_REQUIRES(state_.mutex);
  // What close() has to do without the mutex.
  struct Closed {
    FreedMemory freed;
    std::vector<Chunk*> claimed;
    std::vector<ChunkFetch*> parked;
    std::vector<std::shared_ptr<Piece>> pieces;
    std::shared_ptr<PendingReply> head;
  };
  void take_out(ObjectStream& stream, Closed* closed) OSSMC_REQUIRES(state_.mutex);

  SchedulerState& state_;
  ChunkFetchOwner& owner_;
};

}  // namespace ossmc
