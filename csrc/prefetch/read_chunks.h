// ReadChunks: chunks in memory that were read to the end, in the order in which they go when memory
// is wanted.
//
// What readers may come back to is kept longer: what was read last of an object, and all of an
// object that is read again. The rest is spare: its memory serves again before fresh memory
// does (docs/decisions/0009-memory-as-a-ceiling.md).
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "prefetch/object_stream.h"
#include "prefetch/stream_link.h"

namespace ossmc {

struct KeptBytes {
  std::uint64_t of_object = 64u << 20;
  std::uint64_t in_all = UINT64_MAX;  // but for objects that are read again
};

// Guarded by the scheduler's mutex; Residency owns it. Chunks are counted by what they hold of the
// budget.
class ReadChunks {
 public:
  explicit ReadChunks(const KeptBytes& most) : most_(most) {}

  struct Entry {
    StreamLink stream;
    std::uint64_t index = 0;
    std::uint64_t bytes = 0;
  };
  // Spare ones before kept ones, and then by when they were read.
  using Key = std::pair<bool, std::uint64_t>;
  using Entries = std::map<Key, Entry>;

  // REQUIRES: it is not here.
  void add(ObjectStream& stream, std::uint64_t index);
  bool contains(const ObjectStream& stream, std::uint64_t index) const;
  void remove(const ObjectStream& stream, std::uint64_t index);
  // What was read of the object is read again: all of it is kept from now on.
  void keep_all(const ObjectStream& stream);
  // It is closed. REQUIRES: none of its chunks is here.
  void forget_object(const ObjectStream& stream) { objects_.erase(stream.sequence()); }

  const Entries& entries() const { return entries_; }
  void append_chunks_of(const ObjectStream& stream, std::vector<std::uint64_t>* indices) const;
  std::uint64_t bytes() const { return bytes_; }
  static bool is_spare(const Entries::value_type& entry) { return !entry.first.first; }

 private:
  using Times = std::map<std::uint64_t, std::uint64_t>;  // when it was read, and which chunk
  struct Object {
    std::map<std::uint64_t, Key> keys;  // by chunk
    Times kept;
    std::uint64_t kept_bytes = 0;
    bool keeps_all = false;
  };

  void make_spare(Object& object, std::uint64_t time);
  void uncount(Object& object, const Key& key, std::uint64_t bytes);

  const KeptBytes most_;
  Entries entries_;
  std::map<std::uint64_t, Object> objects_;  // by sequence
  std::uint64_t bytes_ = 0;
  std::uint64_t kept_bytes_ = 0;  // of objects that do not keep all
  std::uint64_t last_time_ = 0;
};

}  // namespace ossmc
