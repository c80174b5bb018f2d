// Positions: where each open object is being fetched of which nobody waits for a byte: ahead of its
// reader, and in the sweep through all objects in the order of open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "prefetch/object_stream.h"
#include "prefetch/stream_link.h"

namespace ossmc {

// Guarded by the scheduler's mutex, which owns it, as is ObjectStream::plan, where the positions
// themselves are.
//
// Holds: an object is among the readers exactly while plan.reading; what is among the readers, or
// in the sweep, is open.
class Positions {
 public:
  // --- the sweep ---
  void start_sweep(ObjectStream& stream, std::uint64_t from);
  // The chunk was given up, or did not come: the sweep comes back to it, if it goes through that
  // object at all.
  void sweep_again(ObjectStream& stream, std::uint64_t index);
  // Its reads jump: it leaves both, until they follow each other or for good. Not for the third
  // time: then it is for good.
  void hold_sweep(ObjectStream& stream, bool for_good);
  // True: there may be something to start.
  bool resume_sweep(ObjectStream& stream);
  void end_sweep(ObjectStream& stream) { sweep_.erase(stream.sequence()); }
  // In the order of open: the first behind that sequence (0: of all); null: there is none.
  ObjectStream* next_in_sweep(std::uint64_t sequence) const { return next(sweep_, sequence); }

  // --- ahead of readers ---
  // A reader went through the chunk; what lies behind it, as far as `window` chunks, is read ahead.
  // True: there may be something to start.
  bool note_read(ObjectStream& stream, std::uint64_t index, std::uint64_t window);
  // All of it, from its first chunk on: for a view.
  void read_whole(ObjectStream& stream);
  void end_reading(ObjectStream& stream);
  ObjectStream* next_reader(std::uint64_t sequence) const { return next(readers_, sequence); }
  std::size_t readers() const { return readers_.size(); }

  // --- both ---
  // Whoever asked for the chunk, ahead of a reader or in the sweep, is to ask again.
  void fetch_again(ObjectStream& stream, std::uint64_t index);
  void remove(ObjectStream& stream);
  bool empty() const { return readers_.empty() && sweep_.empty(); }

 private:
  using Streams = std::map<std::uint64_t, StreamLink>;  // by sequence
  static ObjectStream* next(const Streams& streams, std::uint64_t sequence);
  bool begin_reading(ObjectStream& stream);

  Streams readers_;
  Streams sweep_;  // those with chunks left to sweep
};

}  // namespace ossmc
