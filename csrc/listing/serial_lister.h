// Serial listing: ListObjectsV2 page after page, each by the token of the one before.
//
// SerialListing is the state: a page in, the next request out, no waiting and no I/O. SerialLister
// runs it.
#pragma once

#include <cstdint>
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
  SerialListing(std::string bucket, std::string prefix, KeyOrder order = KeyOrder::kByteOrder);

  bool is_done() const { return done_; }
  // For the first page or the next. REQUIRES: !is_done().
  StoreRequest next_request() const;
  // kProtocol: the page breaks the rules, or the listing would never end; the listing is then of no
  // use.
  Status take_page(const ListPage& page);

  std::uint64_t pages() const { return pages_; }

 private:
  const std::string bucket_;
  const std::string prefix_;
  const KeyOrder order_;
  std::string last_key_;
  std::string token_;
  std::uint64_t pages_ = 0;
  int empty_pages_ = 0;  // in a row
  bool done_ = false;
};

// Used by one thread at a time. REQUIRES: `queue`, served by I/O threads, outlives it.
class SerialLister final : public Lister {
 public:
  // `page_limit`: the longest that one page may take, attempts and back-off included.
  SerialLister(SmallRequestQueue& queue, const Clock& clock, std::string bucket, std::string prefix,
               Duration page_limit, KeyOrder order = KeyOrder::kByteOrder);

  // One page, in the store's order.
  Result<bool> next_rows(ObjectColumns& rows, Interrupt& interrupt) override;

 private:
  SmallRequestQueue& queue_;
  const Clock& clock_;
  const ListingName name_;
  const Duration page_limit_;
  SerialListing listing_;
};

}  // namespace ossmc
