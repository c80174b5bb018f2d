// Residency: which chunks are in memory, and which of them go first when memory is wanted.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "prefetch/freed_memory.h"
#include "prefetch/object_stream.h"
#include "prefetch/stream_link.h"

namespace ossmc {

// Guarded by the scheduler's mutex, which owns it. Chunks are counted by what they hold of the
// budget. REQUIRES, of each call: the stream has the chunk; before a stream goes it is removed.
class Residency {
 public:
  // Place of a chunk in the order of open: object, then chunk.
  using Position = std::pair<std::uint64_t, std::uint64_t>;

  // A fetch ended well: the chunk is kReady and lies in a block of its own.
  void add(ObjectStream& stream, std::uint64_t index);
  // It failed, and somebody still copies from what had come: it goes like what is consumed.
  void add_failed(ObjectStream& stream, std::uint64_t index);
  // All of the chunk's bytes were handed out once: it goes before any other.
  void mark_consumed(ObjectStream& stream, std::uint64_t index);
  // Forgets every chunk of the stream, and takes its memory. Returns those that were pinned.
  std::vector<std::uint64_t> remove_stream(ObjectStream& stream, FreedMemory* freed);
  void forget(ObjectStream& stream, std::uint64_t index);  // it was moved or cleared

  // What evict_consumed() could free, pins and claims aside.
  std::uint64_t consumed_bytes() const { return consumed_bytes_; }

  // Each frees one chunk's memory, or nothing (false) when there is none of its kind that is
  // neither pinned nor claimed, and whose object has no region and is not `except`. The one
  // consumed longest ago.
  bool evict_consumed(const ObjectStream* except, FreedMemory* freed);
  // The unread one furthest in the order of open; tells which it was, for the sweep to come back.
  bool evict_unread(const ObjectStream* except, FreedMemory* freed, ObjectStream** stream,
                    std::uint64_t* index);
  // Whether evict_consumed() of all and, if `unread_too`, evict_unread() would free so much in the
  // end.
  bool can_free(std::uint64_t bytes, bool unread_too, const ObjectStream* except);
  // Something stayed because somebody copies from it.
  void note_met_pins() { met_pins_ = true; }
  // Whether that was so since the last call. Nobody says when it ends: look again.
  bool take_met_pins() { return std::exchange(met_pins_, false); }

 private:
  struct Consumed {
    StreamLink stream;
    std::uint64_t index = 0;
    std::uint64_t bytes = 0;
  };
  static bool may_go(ObjectStream& stream, std::uint64_t index);
  bool take(ObjectStream& stream, std::uint64_t index, FreedMemory* freed);

  std::map<Position, StreamLink> unread_;
  std::map<std::uint64_t, Consumed> consumed_;  // by time of consumption
  std::map<Position, std::uint64_t> consumed_at_;
  std::uint64_t consumptions_ = 0;
  std::uint64_t consumed_bytes_ = 0;
  bool met_pins_ = false;
};

}  // namespace ossmc
