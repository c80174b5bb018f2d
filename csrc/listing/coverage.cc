#include "listing/coverage.h"

#include <iterator>

namespace ossmc {

Status Coverage::add(const std::string& after, const KeyEnd& end) {
  auto next = ends_.upper_bound(after);
  const bool overlaps_next = next != ends_.end() && (!end.has_value() || *end > next->first);
  const auto before = next == ends_.begin() ? ends_.end() : std::prev(next);
  const bool overlaps_before =
      before != ends_.end() && (!before->second.has_value() || *before->second > after);
  if (overlaps_next || overlaps_before || (end.has_value() && *end <= after))
    return Status(StatusCode::kInternal, "a part of the key space was listed twice");

  auto joined = before;
  if (before != ends_.end() && *before->second == after) {
    before->second = end;
  } else {
    joined = ends_.emplace_hint(next, after, end);
  }
  if (next != ends_.end() && joined->second == next->first) {
    joined->second = std::move(next->second);
    ends_.erase(next);
  }
  return Status::ok();
}

bool Coverage::is_complete() const {
  return ends_.size() == 1 && ends_.begin()->first.empty() && !ends_.begin()->second.has_value();
}

}  // namespace ossmc
