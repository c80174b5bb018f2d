// Arrivals: how many bytes of objects have come to stay, and how many are known to be coming: for
// progress().
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "prefetch/fetch_book.h"
#include "prefetch/object_stream.h"

namespace ossmc {

// As it stands now. `placed` goes back when bytes that were in flight are lost with their attempts.
struct ArrivedBytes {
  std::uint64_t placed = 0;     // since the beginning, those in flight included
  std::uint64_t to_come = 0;    // that are known of
  std::uint64_t announced = 0;  // since the beginning: of objects that come whole
};

// Guarded by the scheduler's mutex, which owns it, as is ObjectStream::plan, where an object's own
// counts are.
//
// What was asked for twice (retries, hedges) is where its bytes go only once. Of an object that
// comes whole no more is counted than it has, though some of it may be fetched again.
class Arrivals {
 public:
  using Streams = std::map<std::uint64_t, std::shared_ptr<ObjectStream>>;

  // All of the object is going to be fetched. The second time: no-op. REQUIRES: it is open.
  void note_whole(ObjectStream& stream);
  // The bytes of a chunk, or of a part of one, are there. `again`: the chunk had come before.
  void note_placed(ObjectStream& stream, std::uint64_t bytes, bool again);
  // Looks at all open objects and at what is in flight.
  ArrivedBytes look(const Streams& open, const FetchBook& fetches) const;

 private:
  std::uint64_t placed_ = 0;
  std::uint64_t announced_ = 0;
};

}  // namespace ossmc
