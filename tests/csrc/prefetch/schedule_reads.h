// ScheduleReads: the reads of a random schedule's callers, as the Python layer makes them.
#pragma once

#include <cstdint>
#include <utility>

#include "csrc/prefetch/schedule_call.h"
#include "csrc/prefetch/schedule_handle.h"

namespace ossmc {

// Each call is made by the virtual thread of a caller. The handle's stream is or was open.
class ScheduleReads {
 public:
  explicit ScheduleReads(ScheduleParts& parts) : parts_(parts) {}

  void read_on(ScheduleHandle& handle);
  void read_at(const ScheduleHandle& handle);
  // Several small reads, each before the one before it: they jump, however small the object.
  void read_backwards(const ScheduleHandle& handle);
  void read_ranges(const ScheduleHandle& handle);
  void read_line(const ScheduleHandle& handle);
  // A reader that is in the middle of its copy, or of its search for a byte, while others go on.
  void copy_slowly(const ScheduleHandle& handle);

 private:
  std::uint64_t some_size(std::uint64_t left);
  void read_at(const ScheduleHandle& handle, std::uint64_t offset, std::uint64_t wanted);

  ScheduleParts& parts_;
};

}  // namespace ossmc
