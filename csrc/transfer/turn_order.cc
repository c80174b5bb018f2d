#include "transfer/turn_order.h"

#include <algorithm>

namespace ossmc {

std::size_t TurnOrder::choose(std::span<ReadySocket> ready, TimePoint now) {
  std::sort(ready.begin(), ready.end(), [](const ReadySocket& a, const ReadySocket& b) {
    return a.at_once != b.at_once ? a.at_once : a.sequence < b.sequence;
  });
  const auto rest =
      std::find_if(ready.begin(), ready.end(), [](const ReadySocket& one) { return !one.at_once; });
  const auto count = static_cast<std::size_t>(rest - ready.begin()) + 1;
  left_ = ready.size() - std::min(count, ready.size());
  if (left_ > 0 && now < serve_all_due_) return count;
  serve_all_due_ = now + serve_all_interval_;
  return ready.size();
}

}  // namespace ossmc
