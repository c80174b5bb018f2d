#include "listing/page_check.h"

#include <string>
#include <utility>

#include "fetch/response_check.h"
#include "protocol/object_name.h"

namespace ossmc {

Status check_key(std::string_view key, std::string_view prefix, std::string_view previous) {
  if (key.empty()) return broken_page("the page holds an object without a key");
  if (!key.starts_with(prefix))
    return broken_page("the page holds " + in_quotes(key) + ", which is not inside the prefix");
  if (key == previous) return broken_page("the listing holds " + in_quotes(key) + " twice");
  return Status::ok();
}

Status check_order(std::string_view key, std::string_view previous) {
  // string_view compares as unsigned char.
  if (key > previous) return Status::ok();
  return broken_page("the keys are not in increasing byte order: " + in_quotes(key) + " follows " +
                     in_quotes(previous));
}

Status check_size(const ListedObject& object) {
  if (object.size <= kMaxObjectBytes) return Status::ok();
  return broken_page("an object of " + std::to_string(object.size) +
                     " bytes is not possible: " + in_quotes(object.key));
}

}  // namespace ossmc
