#include "connector/verify_object.h"

namespace ossmc {

Result<bool> verify_object(Connector& connector, const ObjectToOpen& object, Interrupt& interrupt) {
  for (bool is_first = true;; is_first = false) {
    const Result<std::unique_ptr<ObjectRanges>> opened = connector.open_ranges({object}, interrupt);
    if (!opened.is_ok()) return opened.status();
    Result<bool> is_right = (*opened)->check(0, interrupt);
    // Wrong on its way, perhaps: as for readers, it is fetched a second time.
    if (is_right.is_ok() || !is_first || is_right.status().code() != StatusCode::kChecksum)
      return is_right;
  }
}

}  // namespace ossmc
