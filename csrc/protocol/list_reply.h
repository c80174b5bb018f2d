// A page of ListObjectsV2.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace ossmc {

struct ListedObject {
  std::string key;
  std::uint64_t size = 0;
  std::string etag;                 // without quotes
  double last_modified_unix = 0.0;  // seconds since 1970 UTC
  std::string storage_class;
};

struct ListPage {
  std::vector<ListedObject> objects;
  bool is_truncated = false;
  std::string next_continuation_token;
};

// Limits against hostile pages: 8 MiB, 1,000 objects, depth 16, no DOCTYPE; beyond any of them, or
// not a list document: kProtocol. Namespaces are ignored, elements may come in any order; entities
// are decoded first, then percent, once.
Result<ListPage> parse_list_page(std::string_view body);

}  // namespace ossmc
