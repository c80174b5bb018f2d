// FastLister: runs a FastListing with the I/O threads, which also parse the pages.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/counters.h"
#include "base/status.h"
#include "base/wait.h"
#include "fetch/small_request_queue.h"
#include "listing/fast_listing.h"
#include "listing/lister.h"
#include "listing/listing_error.h"
#include "listing/object_columns.h"

namespace ossmc {

// Used by one thread at a time; requests go out while it is in next_rows(), so that who does not
// take rows keeps no more than `slots` pages waiting. Destroyed in the middle it gives up what is
// in flight. REQUIRES: `queue`, served by I/O threads, and `counters` outlive it.
class FastLister final : public Lister {
 public:
  // `page_limit`: the longest that no page may come, attempts and back-off included.
  FastLister(SmallRequestQueue& queue, const Counters& counters, const Clock& clock,
             std::string bucket, std::string prefix, int slots, Duration page_limit);
  ~FastLister() override;
  FastLister(const FastLister&) = delete;
  FastLister& operator=(const FastLister&) = delete;

  // In no order.
  Result<bool> next_rows(ObjectColumns& rows, Interrupt& interrupt) override;
  // The error was that the store does not list in byte order, or encodes keys as forms do: a plain
  // listing may do.
  bool is_plain_better() const { return is_plain_better_; }

 private:
  struct Arrival;
  class Inbox;  // shared with the I/O threads

  void ask();
  Status take(Arrival& arrival, ObjectColumns& rows);
  Status take_plus_signs(const PlusSigns& signs);

  SmallRequestQueue& queue_;
  const Counters& counters_;
  const Clock& clock_;
  const std::string bucket_;
  const std::string prefix_;
  const ListingName name_;
  const Duration page_limit_;
  FastListing listing_;
  std::uint64_t throttles_seen_;
  bool is_plain_better_ = false;
  PlusSigns plus_signs_;  // of all pages
  std::unordered_map<std::uint64_t, std::shared_ptr<PendingReply>> asked_;
  const std::shared_ptr<Inbox> inbox_;
};

}  // namespace ossmc
