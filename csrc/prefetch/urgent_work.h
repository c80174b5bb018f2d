// UrgentWork: what somebody waits for, first come first served: chunks that reads have claimed, and
// the first requests of objects that are being opened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "prefetch/object_stream.h"

namespace ossmc {

// Guarded by the scheduler's mutex, which owns it.
//
// Holds: a chunk is in line (Work::kUrgent) exactly while it is here; a chunk that nobody claims
// any more leaves the line, and so does what belongs to a closed object.
class UrgentWork {
 public:
  struct Entry {
    std::uint64_t place = 0;  // in the line
    std::shared_ptr<ObjectStream> stream;
    std::uint64_t index = 0;
  };

  // A first request: at the end of the line.
  void add_open(ObjectStream& stream);
  // At the end of the line; somebody has claimed it. It is asked for again, whatever failed before.
  // REQUIRES: Work::kNone.
  void add(ObjectStream& stream, std::uint64_t index);
  // The same of a chunk that was not in line when it was claimed: where it would be if it had been.
  // What a read holds it has claimed after what it waits for.
  void add_claimed(ObjectStream& stream, std::uint64_t index);
  // Where it was before it was taken out; it could not be started now. REQUIRES: Work::kNone.
  void put_back(ObjectStream& stream, std::uint64_t index, std::uint64_t place);
  // Out of the line: it is being started, or cannot be. Its work is kNone then.
  void remove(ObjectStream& stream, std::uint64_t index);

  void claim(ObjectStream& stream, std::uint64_t index);
  // True: it was the last. The chunk leaves the line: nobody waits for it any more.
  bool release(ObjectStream& stream, std::uint64_t index);
  // All of it leaves the line. The chunks that somebody has claimed, who is to be told.
  std::vector<Chunk*> remove_stream(ObjectStream& stream);

  // All that is claimed, as object and chunk.
  const std::set<std::pair<std::uint64_t, std::uint64_t>>& claimed() const { return claimed_; }
  bool empty() const { return line_.empty(); }
  bool is_claimed() const { return !claimed_.empty(); }  // a read or a view waits
  // The first in line behind `place` (0: of all); an entry without a stream: there is none.
  Entry next(std::uint64_t place) const;
  std::size_t opens() const { return opens_; }  // first requests in line

 private:
  using Position = std::pair<std::uint64_t, std::uint64_t>;  // sequence and chunk

  std::map<std::uint64_t, Entry> line_;
  std::uint64_t last_place_ = 0;
  std::size_t opens_ = 0;
  std::set<Position> claimed_;
};

}  // namespace ossmc
