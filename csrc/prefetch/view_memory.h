// ViewMemory: the regions that objects have for views of them, who uses them, and whose turn it is
// to get one.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>

#include "memory/view_region.h"
#include "prefetch/object_stream.h"
#include "prefetch/stream_link.h"

namespace ossmc {

// Guarded by the scheduler's mutex, which owns it. Whoever makes a view of a region uses it, and
// then each view does.
//
// Holds: used_bytes() is the sum of the regions that somebody uses; a region that nobody uses is
// here only while its object is open.
class ViewMemory {
 public:
  // --- turns: first come, first served ---
  std::uint64_t take_turn();
  void end_turn(std::uint64_t turn) { std::erase(turns_, turn); }
  bool is_first(std::uint64_t turn) const { return !turns_.empty() && turns_.front() == turn; }
  bool somebody_waits() const { return !turns_.empty(); }

  // --- regions ---
  // From now on the object's chunks go there.
  void add(ObjectStream& stream, std::shared_ptr<ViewRegion> region);
  // The object is closed, or its region given up. Who uses the region keeps it.
  void remove_stream(ObjectStream& stream) { with_region_.erase(stream.sequence()); }
  void use(const ViewRegion& region);
  void end_use(const ViewRegion& region);
  bool is_used(const ViewRegion& region) const { return uses_.contains(&region); }
  std::uint64_t used_bytes() const { return used_bytes_; }
  // Open objects with a region, in the order of open: the first behind that sequence; null: none.
  ObjectStream* next(std::uint64_t sequence) const;

 private:
  std::deque<std::uint64_t> turns_;
  std::uint64_t next_turn_ = 0;
  std::map<std::uint64_t, StreamLink> with_region_;  // by sequence
  std::map<const ViewRegion*, std::uint64_t> uses_;
  std::uint64_t used_bytes_ = 0;
};

}  // namespace ossmc
