// FastListing: which pages to ask for next, so that a listing goes on in many places at once.
//
// The controller of FastList (docs/decisions/0004-fast-list.md): pages in, requests out, no clock,
// no I/O, no randomness. fast_lister.h drives it with the I/O threads, a simulation in virtual
// time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "listing/coverage.h"
#include "listing/key_space.h"

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
  FastListing(const FastListing&) = delete;
  FastListing& operator=(const FastListing&) = delete;

  // What to ask for now; nullopt: nothing before the next page comes. Each is answered by exactly
  // one take_page().
  std::optional<PageWanted> next();

  // The keys of a page, in the order in which they came. How many of its first rows to keep: the
  // others are another range's. kProtocol: the keys are not strictly increasing, not behind `after`
  // or not inside the prefix, or pages say that more follows and never what: the store does not
  // list in byte order, and this listing is of no use.
  // REQUIRES: id was given by next() and not answered yet.
  Result<std::size_t> take_page(std::uint64_t id, std::span<const std::string_view> keys,
                                bool is_truncated);

  // An attempt of one of the requests in flight was refused because there are too many.
  void note_throttled();

  // The whole prefix is covered.
  bool is_done() const { return coverage_.is_complete(); }
  int in_flight() const { return static_cast<int>(asked_.size()); }
  std::uint64_t pages() const { return pages_; }              // answered
  std::uint64_t empty_pages() const { return empty_pages_; }  // of which no row was kept
  int slots_now() const { return static_cast<int>(slots_now_); }

 private:
  // How the place was found where a range begins.
  enum Guess : std::uint8_t {
    kStart,    // of the listing
    kEven,     // an even share of the distance
    kByScale,  // an even share of the distance's logarithm
    kBeyond,   // what cannot be spelt yet
  };
  // How often a guess of some kind was a range with keys.
  struct Record {
    double hits = 1.0;
    double tries = 2.0;
    double rate() const { return hits / tries; }
  };
  struct Pivot {
    std::string key;
    Guess guess;
  };

  // (cursor, end]: what is left of it. At most one request is in flight for it.
  struct Range {
    std::string cursor;
    KeyEnd end;
    std::uint64_t pages = 0;  // with rows, since it was made
    Guess guess = kStart;
    std::weak_ptr<Range> left;  // the one that it was cut off
    int doubts = 0;             // how often what was cut off it was empty
    bool is_answered = false;   // at least once
    bool may_be_cut = false;    // it has given a page since it was last cut
    int empty_in_a_row = 0;     // truncated pages without a key
    std::string first_key;      // of its last page
    double pages_left = 0.0;    // an estimate, of this state of the space:
    bool is_certain = false;    // ... and whether its pages so far bear it out
    std::uint64_t estimated_at = 0;
  };
  using RangePtr = std::shared_ptr<Range>;
  // A range in numbers of the space as it is now.
  struct Extent {
    KeySpace::Number cursor;
    KeySpace::Number end;
    KeySpace::Number left;  // between them; empty: nothing is
    KeySpace::Number page;  // how far the range's last page went
  };

  Status check_page(const Range& range, std::span<const std::string_view> keys) const;
  void learn(std::span<const std::string_view> keys);
  Extent extent_of(const Range& range) const;
  void estimate(Range& range) const;
  // Cuts the range with most to come; new ranges are in waiting_. False: none can be cut.
  bool cut();
  // Up to so many places to cut it at, ascending.
  std::vector<Pivot> pivots(const Range& range, int count) const;
  // Of so many places inside an uncertain range, how many by an even share.
  int even_share(int count) const;
  void note_guess(const Range& range, bool is_hit);

  const std::string prefix_;
  const int slots_;
  double slots_now_;
  int throttled_for_ = 0;  // answers to wait for before the next lowering

  KeySpace space_;
  std::array<Record, 4> records_;  // by Guess
  Coverage coverage_;
  std::deque<RangePtr> waiting_;  // to be asked for
  std::map<std::uint64_t, RangePtr> asked_;
  std::uint64_t last_id_ = 0;
  std::uint64_t pages_ = 0;
  std::uint64_t useful_pages_ = 0;
  std::uint64_t empty_pages_ = 0;
  int unproven_ = 0;  // ranges that have not given a page yet
};

}  // namespace ossmc
