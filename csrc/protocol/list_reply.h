// A page of ListObjectsV2.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace ossmc {

// The texts lie elsewhere: in the page's memory, mostly.
struct ListedObject {
  std::string_view key;
  std::uint64_t size = 0;
  std::string_view etag;            // without quotes; empty for a symbolic link
  double last_modified_unix = 0.0;  // seconds since 1970 UTC
  std::string_view storage_class;
};

// Owns what its objects point to, so that reading a page makes no string for each of them; a page
// with objects is too long for a string that holds its characters itself, so they stay in place
// when it is moved.
struct ListPage {
  ListPage() = default;
  ListPage(ListPage&&) noexcept = default;
  ListPage& operator=(ListPage&&) noexcept = default;
  ListPage(const ListPage&) = delete;
  ListPage& operator=(const ListPage&) = delete;

  std::vector<ListedObject> objects;
  bool is_truncated = false;
  std::string next_continuation_token;

  std::string body;
};

// Limits against hostile pages: 8 MiB, 1,000 objects, depth 16, no DOCTYPE; beyond any of them, or
// not a list document: kProtocol. Namespaces are ignored, elements may come in any order; entities
// are decoded first, then percent, once. Reads the body where it lies.
Result<ListPage> parse_list_page(std::string body);

}  // namespace ossmc
