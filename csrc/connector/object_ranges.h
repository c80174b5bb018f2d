// ObjectRanges: bytes of several objects, read at once without readers, and nothing is kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/wait.h"
#include "connector/opened_streams.h"
#include "prefetch/read_options.h"
#include "prefetch/read_plan.h"

namespace ossmc {

// One thread. Made by Connector::open_ranges(). All bytes of one object are of one version.
class ObjectRanges {
 public:
  ObjectRanges(OpenedStreams streams, const ReadOptions& options)
      : streams_(std::move(streams)), options_(options) {}

  std::uint64_t size(std::size_t object) const { return streams_.all()[object]->size(); }
  // Fills all ranges. REQUIRES: each lies within its object. After an error their content is
  // unspecified.
  Status read(const std::vector<WantedRange>& ranges, Interrupt& interrupt);
  // Receives all of an object for its CRC-64 alone: "crc64", or where there is none to judge by
  // what all replies were checked by. kChecksum: it is wrong.
  Result<std::string_view> check(std::size_t object, Interrupt& interrupt);

 private:
  const OpenedStreams streams_;
  const ReadOptions options_;
};

}  // namespace ossmc
