// Serial listing: page after page, each by the token of the one before, or by what else that says.
//
// With a delimiter, keys that have it behind the prefix are rolled up: what they have in common, up
// to and with it, stands for all of them. The store does so; the keys of one that does not are
// rolled up here.
//
// SerialListing is the state: a page in, the next request out, no waiting and no I/O. SerialLister
// runs it.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "base/wait.h"
#include "fetch/small_request_queue.h"
#include "listing/lister.h"
#include "listing/listing_error.h"
#include "listing/object_columns.h"
#include "listing/page_check.h"
#include "protocol/list_reply.h"
#include "protocol/store_request.h"

namespace ossmc {

// A page of 1,000 objects with keys of 1,023 bytes, each byte percent-encoded, is about 3.5 MB.
inline constexpr std::size_t kMaxListBodyBytes = 8u << 20;

// One listing from its first page to its last. Used by one thread at a time.
class SerialListing {
 public:
  SerialListing(std::string bucket, std::string prefix, std::string delimiter = {});

  bool is_done() const { return done_; }
  // For the first page or the next. REQUIRES: !is_done().
  StoreRequest next_request() const;
  // Keys may come in any order. kProtocol: the page breaks the rules, or the listing would never
  // end; the listing is then of no use.
  Status take_page(const ListPage& page);

  std::uint64_t pages() const { return pages_; }
  // kProtocol: which keys were the first that are not in byte order.
  const Status& order() const { return order_; }
  // The key stands in the common prefixes, and is no row.
  bool is_rolled_up(std::string_view key) const { return rolled_up_size(key) > 0; }
  const std::set<std::string>& common_prefixes() const { return common_prefixes_; }
  void replace_in_common_prefixes(char from, char to);

 private:
  Status check_keys(const ListPage& page);
  // True: one of them is new.
  Result<bool> take_common_prefixes(const ListPage& page);
  // How much of the key its common prefix is; 0: it has none.
  std::size_t rolled_up_size(std::string_view key) const;
  // Where the page after it begins. kProtocol: it does not say so, or an earlier one did.
  Status go_on_behind(const ListPage& page);

  const std::string bucket_;
  const std::string prefix_;
  const std::string delimiter_;
  Status order_;
  std::string last_key_;
  // Where the next page begins: behind a token, or a key.
  std::string token_;
  std::string marker_;
  // Of all pages. A store that takes no notice of where to begin gives the same again and again.
  std::set<std::string> tokens_, markers_, first_keys_;
  std::set<std::string> common_prefixes_;
  std::uint64_t pages_ = 0;
  int empty_pages_ = 0;  // in a row, without a key or a new common prefix
  bool done_ = false;
};

// Used by one thread at a time. REQUIRES: `queue`, served by I/O threads, outlives it.
class SerialLister final : public Lister {
 public:
  // `page_limit`: the longest that one page may take, attempts and back-off included.
  SerialLister(SmallRequestQueue& queue, const Clock& clock, std::string bucket, std::string prefix,
               Duration page_limit, std::string delimiter = {});

  // One page, in the store's order; if that is not byte order, the log has a warning once. What
  // later keys tell of plus signs may change rows that are in `rows` still; kProtocol where it
  // would change others.
  Result<bool> next_rows(ObjectColumns& rows, Interrupt& interrupt) override;
  // Of all pages so far, in byte order.
  const std::set<std::string>& common_prefixes() const { return listing_.common_prefixes(); }
  // Has warned of the order already, or somebody else has.
  void set_warned() { has_warned_ = true; }

 private:
  Status take_plus_signs(const PlusSigns& signs, ObjectColumns& rows);
  void warn_of_order();

  SmallRequestQueue& queue_;
  const Clock& clock_;
  const ListingName name_;
  const Duration page_limit_;
  SerialListing listing_;
  bool has_warned_ = false;
  PlusSigns plus_signs_;     // of all pages
  std::uint64_t given_ = 0;  // rows
};

}  // namespace ossmc
