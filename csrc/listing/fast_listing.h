// FastListing: which pages to ask for next, so that a listing goes on in many places at once.
//
// The controller of FastList (docs/decisions/0004-fast-list.md): pages in, requests out, no clock,
// no I/O, no randomness. fast_lister.h drives it with the I/O threads, a simulation in virtual
// time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace ossmc {

// A page of at most kPageKeys keys behind `after`; empty: from the first one of the prefix.
struct PageWanted {
  std::uint64_t id = 0;
  std::string after;
};

// Used by one thread at a time.
class FastListing {
 public:
  static constexpr std::size_t kPageKeys = 1000;

  // `slots`: requests in flight at most. REQUIRES: slots > 0.
  FastListing(std::string prefix, int slots);
  ~FastListing();
  FastListing(const FastListing&) = delete;
  FastListing& operator=(const FastListing&) = delete;

  // What to ask for now; nullopt: nothing before the next page comes. Each is answered by exactly
  // one take_page().
  std::optional<PageWanted> next();

  // The keys of a page, in the order in which they came. How many of its first rows to keep: the
  // others are another range's. kProtocol: the keys are not strictly increasing, not behind `after`
  // or not inside the prefix: the store does not list in byte order, and this listing is of no use.
  // REQUIRES: id was given by next() and not answered yet.
  Result<std::size_t> take_page(std::uint64_t id, std::span<const std::string_view> keys,
                                bool is_truncated);

  // An attempt of one of the requests in flight was refused because there are too many.
  void note_throttled();

  // The whole prefix is covered.
  bool is_done() const;
  int in_flight() const;
  std::uint64_t pages() const;        // answered
  std::uint64_t empty_pages() const;  // of which no row was kept
  int slots_now() const;              // what throttling left of `slots`

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace ossmc
