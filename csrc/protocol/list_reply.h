// A page of a listing: ListObjectsV2, or V1 where a store knows no other.
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

// Whether "+" in keys with EncodingType url stands for itself, as OSS has it, or for a blank, as in
// forms. Gateways do either and do not say which: what else a listing's keys hold tells it. Who
// writes "%2B" for a plus and never "%20" for a blank means a blank.
struct PlusSigns {
  bool raw = false;            // "+" itself
  bool encoded_plus = false;   // "%2B"
  bool encoded_blank = false;  // "%20"

  void add(const PlusSigns& more);
  bool mean_blanks() const { return encoded_plus && !encoded_blank; }
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
  // What stands for keys that have the delimiter behind the prefix, up to and with that.
  std::vector<std::string_view> common_prefixes;
  // More follow: behind the token, else behind the marker of V1, else behind the last key.
  bool is_truncated = false;
  std::string next_continuation_token;
  std::string next_marker;
  PlusSigns plus_signs;  // of its keys and common prefixes

  std::string body;
};

// As OSS asks for and gives it. Some stores give more.
inline constexpr std::size_t kKeysOfFullPage = 1000;

// Limits against hostile pages: 8 MiB, 65,536 objects and as many common prefixes, depth 16, no
// DOCTYPE; beyond any of them, or not a list document: kProtocol. Namespaces are ignored, elements
// may come in any order; entities are decoded first, then percent, once. A date that cannot be read
// is none; without IsTruncated a page that is full, or says where to go on, is not the last. Reads
// the body where it lies. `before`: the plus signs of the listing's pages before this one.
Result<ListPage> parse_list_page(std::string body, const PlusSigns& before = {});

}  // namespace ossmc
