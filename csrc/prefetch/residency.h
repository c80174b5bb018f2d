// Residency: which chunks are in memory, and which of them go first when memory is wanted.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "prefetch/freed_memory.h"
#include "prefetch/object_stream.h"
#include "prefetch/read_chunks.h"
#include "prefetch/stream_link.h"

namespace ossmc {

// Guarded by the scheduler's mutex, which owns it. Chunks are counted by what they hold of the
// budget. REQUIRES, of each call: the stream has the chunk; before a stream goes it is removed.
class Residency {
 public:
  // Place of a chunk in the order of open: object, then chunk.
  using Position = std::pair<std::uint64_t, std::uint64_t>;

  explicit Residency(const KeptBytes& kept) : consumed_(kept) {}

  // A fetch ended well: the chunk is kReady and lies in a block of its own.
  void add(ObjectStream& stream, std::uint64_t index);
  // It failed, and somebody still copies from what had come: it goes like what is consumed.
  void add_failed(ObjectStream& stream, std::uint64_t index);
  // All of the chunk's bytes were handed out once: it goes before what was not. A second time: its
  // object is being read again.
  void mark_consumed(ObjectStream& stream, std::uint64_t index);
  void note_read_again(ObjectStream& stream) { consumed_.keep_all(stream); }
  // Forgets every chunk of the stream, and takes its memory. Returns those that were pinned.
  std::vector<std::uint64_t> remove_stream(ObjectStream& stream, FreedMemory* freed);
  void forget(ObjectStream& stream, std::uint64_t index);  // it was moved or cleared

  // What nobody has read to the end, of all objects. Of one: plan.unread_bytes.
  std::uint64_t unread_bytes() const { return unread_bytes_; }
  // What evict_consumed() could free, pins and claims aside.
  std::uint64_t consumed_bytes() const { return consumed_.bytes(); }

  // Each frees one chunk's memory, or nothing (false) when there is none of its kind that is
  // neither pinned nor claimed, and whose object has no region and is not `except`. What was read
  // longest ago, and is not kept for reading again; then what is kept.
  bool evict_consumed(const ObjectStream* except, FreedMemory* freed) {
    return evict_consumed(except, true, freed);
  }
  // Nothing that is kept.
  bool evict_spare(FreedMemory* freed) { return evict_consumed(nullptr, false, freed); }
  // The unread one furthest in the order of open; tells which it was, for the sweep to come back.
  bool evict_unread(const ObjectStream* except, FreedMemory* freed, ObjectStream** stream,
                    std::uint64_t* index);
  enum class Goes : std::uint8_t { kSpare, kConsumed, kUnreadToo };
  // Whether evict_spare(), evict_consumed(), or that and evict_unread(), would free so much in the
  // end.
  bool can_free(std::uint64_t bytes, Goes what, const ObjectStream* except);
  // Something stayed because somebody copies from it.
  void note_met_pins() { met_pins_ = true; }
  // Whether that was so since the last call. Nobody says when it ends: look again.
  bool take_met_pins() { return std::exchange(met_pins_, false); }

 private:
  static bool may_go(ObjectStream& stream, std::uint64_t index);
  bool take(ObjectStream& stream, std::uint64_t index, FreedMemory* freed);
  bool evict_consumed(const ObjectStream* except, bool kept_too, FreedMemory* freed);

  void add_unread(ObjectStream& stream, std::uint64_t index);
  bool remove_unread(ObjectStream& stream, std::uint64_t index);  // false: it was not among them

  std::map<Position, StreamLink> unread_;
  std::uint64_t unread_bytes_ = 0;
  ReadChunks consumed_;
  bool met_pins_ = false;
};

}  // namespace ossmc
