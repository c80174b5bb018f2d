// ScheduleHandle: an object that the callers of a random schedule have open; all of them share it.
#pragma once

#include <cstdint>
#include <memory>

#include "csrc/prefetch/stored_object.h"
#include "prefetch/object_stream.h"

namespace ossmc {

struct ScheduleHandle {
  std::shared_ptr<ObjectStream> stream;
  const StoredObject* object = nullptr;
  const StoredVersion* version = nullptr;  // that it was opened as
  std::uint64_t cursor = 0;
};

}  // namespace ossmc
