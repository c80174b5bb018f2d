#include "stress/stress_judge.h"

#include <string_view>

namespace ossmc {

void StressJudge::begin(const char* what) {
  was_interrupted_ = false;
  since_ = system_clock().now();
  doing_ = what;
  tally_.note_operation(what);
}

void StressJudge::check_opened(const ObjectReader& reader, const StressObject& object) {
  if (reader.size() != object.bytes.size())
    complain(object.key + " was opened with a wrong size, " + std::to_string(reader.size()));
}

void StressJudge::check_bytes(const StressObject& object, std::uint64_t offset,
                              std::span<const std::byte> got) {
  tally_.note_compared(got.size());
  if (!object.matches(offset, got))
    complain("wrong bytes of " + object.key + ", of " + std::to_string(got.size()) + " at " +
             std::to_string(offset));
}

bool StressJudge::is_done(const Status& status, const ObjectReader* reader) {
  if (status.is_ok()) return true;
  if (is_explained(status.code(), reader)) {
    tally_.note_error(status.code());
  } else {
    complain("fails for no reason: " + std::string(status_code_name(status.code())) + ", " +
             status.message());
  }
  return false;
}

bool StressJudge::is_explained(StatusCode code, const ObjectReader* reader) const {
  switch (code) {
    case StatusCode::kClosed:
      return connector_.is_closed() || (reader != nullptr && reader->is_closed());
    case StatusCode::kInterrupted:
      return was_interrupted_;
    case StatusCode::kTransferTimeout:
      return round_.has_faults() || round_.is_impatient;
    case StatusCode::kConnect:
    case StatusCode::kServer:
    case StatusCode::kThrottled:
      return round_.has_faults();
    case StatusCode::kMemoryBudget:
      return std::string_view(doing()) == "view";
    default:
      return false;
  }
}

void StressJudge::complain(const std::string& what) {
  tally_.complain("seed " + std::to_string(round_.seed) + ", " + doing() + ": " + what);
}

}  // namespace ossmc
