// Coverage: which keys have been listed, as intervals: the proof that a listing is whole.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "base/status.h"

namespace ossmc {

// The end of an interval; nullopt: no key is behind it.
using KeyEnd = std::optional<std::string>;

// Used by one thread at a time.
class Coverage {
 public:
  // All keys behind `after`, up to `end` and with it. kInternal: some of them were covered before.
  Status add(const std::string& after, const KeyEnd& end);
  // Every key is covered.
  bool is_complete() const;
  std::size_t interval_count() const { return ends_.size(); }

 private:
  // By where they begin (""; behind no key), apart from each other.
  std::map<std::string, KeyEnd> ends_;
};

}  // namespace ossmc
