// List simulation: a listing in virtual time, against a shape and a store that has its bad days.
//
// The controller is the real one (listing/fast_listing.h); time, latency, refusals and the keys are
// made up from a seed: minutes of listing take milliseconds, and every run can be repeated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "listing/fast_listing.h"
#include "support/csrc/key_shapes.h"

namespace ossmc {

struct ListConditions {
  int slots = 32;
  double latency_seconds = 0.020;  // of a page
  // Log-normal, 20 % either way, and one in 200 takes five times as long.
  bool latency_spreads = false;
  // What comes faster is answered 503, by a bucket that holds a tenth of a second; 0: no limit.
  double requests_per_second = 0;
  double throttled_share = 0;  // of the attempts, besides
  double reset_share = 0;      // of the attempts: the connection breaks before the page is there
  bool short_pages = false;    // 1 to 1,000 keys, truncated all the same
  // Of the keys: written and deleted all the time. The others are there throughout.
  double flickering_share = 0;
  std::uint64_t seed = 1;
};

struct ListOutcome {
  // Empty: every key that was there throughout came exactly once, and no other twice. Else what is
  // wrong, with shape, size, slots and seed.
  std::string failure;
  std::uint64_t least_pages = 1;  // that any listing by pages of 1,000 needs
  std::uint64_t attempts = 0;
  std::uint64_t pages = 0;        // answered
  std::uint64_t empty_pages = 0;  // of which no key was kept
  std::uint64_t throttled = 0;    // attempts
  std::uint64_t resets = 0;       // attempts
  std::uint64_t keys = 0;
  // Requests that a connector would have given up, by fetch/retry.h: the simulation goes on.
  std::uint64_t given_up = 0;
  double seconds = 0;
  double ideal_seconds = 0;  // a page alone, then the others in all slots, as fast as is allowed
  double busy_share = 0;     // of the slots' time that was spent on exchanges

  double attempts_a_page() const {
    return static_cast<double>(attempts) / static_cast<double>(least_pages);
  }
  double pages_a_page() const {
    return static_cast<double>(pages) / static_cast<double>(least_pages);
  }
  double time_over_ideal() const { return seconds / ideal_seconds; }
};

// What FastListing shows of itself: a test of the simulation puts broken ones in its place.
class ListController {
 public:
  virtual ~ListController() = default;
  virtual std::optional<PageWanted> next() = 0;
  virtual Result<std::size_t> take_page(std::uint64_t id, std::span<const std::string_view> keys,
                                        bool is_truncated) = 0;
  virtual void note_throttled() = 0;
  virtual bool is_done() const = 0;
  virtual int in_flight() const = 0;
};

// Ends, with a failure, also where the controller would go on for ever. `slots`: requests in flight
// at most.
ListOutcome simulate_list(const KeyShape& shape, const ListConditions& conditions,
                          ListController& controller, int slots);
ListOutcome simulate_fast_list(const KeyShape& shape, const ListConditions& conditions);
// Page after page.
ListOutcome simulate_plain_list(const KeyShape& shape, const ListConditions& conditions);

}  // namespace ossmc
