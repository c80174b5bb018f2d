#include "connector/verify_object.h"

namespace ossmc {

Result<std::string_view> verify_object(Connector& connector, const ObjectToOpen& object,
                                       Interrupt& interrupt) {
  for (bool is_first = true;; is_first = false) {
    const Result<std::unique_ptr<ObjectRanges>> opened = connector.open_ranges({object}, interrupt);
    if (!opened.is_ok()) return opened.status();
    Result<std::string_view> verified = (*opened)->check(0, interrupt);
    // Wrong on its way, perhaps: as for readers, it is fetched a second time.
    if (verified.is_ok() || !is_first || verified.status().code() != StatusCode::kChecksum)
      return verified;
  }
}

}  // namespace ossmc
