#include "listing/fast_listing.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

#include "listing/page_check.h"
#include "protocol/object_name.h"

namespace ossmc {

namespace {

// Keys of a page that the space learns from, spread over it, the first and the last among them.
constexpr std::size_t kLearnedKeys = 8;
// Truncated pages without a key, one after the other from the same place.
constexpr int kMaxEmptyTruncated = 3;
// An estimate is believed up to so many times what the range has given.
constexpr double kBelievedGrowth = 16.0;
// ... and so much less for each part of it that turned out empty.
constexpr double kDoubt = 0.25;
// A cut costs about a page: half a one at each side of it.
constexpr double kLeastPagesToCut = 2.0;
// Requests for ranges that may turn out empty: so many, and so many a page that had rows. Fewer
// after the first pages of each slot, when the shape of the key space is known, unless most slots
// have nothing to do: then time is worth more than requests. Chosen by simulation over 29 shapes.
constexpr double kFreeGuesses = 16.0;
constexpr double kGuessesPerPage = 0.35;
constexpr double kFirstPagesPerSlot = 32.0;
constexpr double kGuessesPerLaterPage = 0.03;
constexpr double kGuessesPerIdlePage = 0.15;
// Of how a kind of guess has turned out, so many tries count.
constexpr double kRememberedTries = 32.0;
// After a throttled reply; docs/decisions/0004-fast-list.md.
constexpr double kThrottledShare = 0.7;

}  // namespace

FastListing::FastListing(std::string prefix, int slots)
    : prefix_(std::move(prefix)), slots_(slots), slots_now_(slots), space_(prefix_) {
  assert(slots > 0);
  waiting_.push_back(std::make_shared<Range>());
  unproven_ = 1;
}

std::optional<PageWanted> FastListing::next() {
  if (in_flight() >= slots_now()) return std::nullopt;
  if (waiting_.empty() && !cut()) return std::nullopt;
  RangePtr range = std::move(waiting_.front());
  waiting_.pop_front();
  PageWanted wanted{++last_id_, range->cursor};
  asked_.emplace(wanted.id, std::move(range));
  return wanted;
}

Result<std::size_t> FastListing::take_page(std::uint64_t id, std::span<const std::string_view> keys,
                                           bool is_truncated) {
  const auto found = asked_.find(id);
  assert(found != asked_.end());
  const RangePtr range = std::move(found->second);
  asked_.erase(found);
  ++pages_;
  if (throttled_for_ > 0) {
    --throttled_for_;
  } else {
    slots_now_ = std::min<double>(slots_, slots_now_ + 1.0 / slots_now_);
  }
  const bool is_first = !std::exchange(range->is_answered, true);
  if (is_first) --unproven_;

  Status status = check_page(*range, keys);
  if (!status.is_ok()) return status;
  learn(keys);
  if (keys.empty() && is_truncated) {
    ++empty_pages_;
    if (++range->empty_in_a_row > kMaxEmptyTruncated)
      return Status(StatusCode::kProtocol, "pages are empty and say that more follows");
    waiting_.push_front(range);
    return 0;
  }
  range->empty_in_a_row = 0;

  std::size_t kept = keys.size();
  if (range->end.has_value()) {
    const auto behind = std::upper_bound(keys.begin(), keys.end(), std::string_view(*range->end));
    kept = static_cast<std::size_t>(behind - keys.begin());
  }
  if (is_first) note_guess(*range, kept > 0);
  if (kept > 0) {
    ++useful_pages_;
    ++range->pages;
    range->doubts /= 2;
  } else {
    ++empty_pages_;
  }
  if (!is_truncated || kept < keys.size() ||
      (range->end.has_value() && keys.back() == *range->end)) {
    status = coverage_.add(range->cursor, range->end);
  } else {
    std::string last(keys.back());
    status = coverage_.add(range->cursor, last);
    range->first_key = keys.front();
    range->cursor = std::move(last);
    range->may_be_cut = true;
    estimate(*range);
    waiting_.push_front(range);
  }
  if (!status.is_ok()) return status;
  return kept;
}

void FastListing::note_throttled() {
  if (throttled_for_ > 0) return;
  slots_now_ = std::max(1.0, slots_now_ * kThrottledShare);
  throttled_for_ = in_flight();
}

Status FastListing::check_page(const Range& range, std::span<const std::string_view> keys) const {
  std::string_view previous = range.cursor;
  for (const std::string_view key : keys) {
    Status status = check_key(key, prefix_, previous);
    if (status.is_ok()) status = check_order(key, previous);
    if (!status.is_ok()) return status;
    previous = key;
  }
  return Status::ok();
}

void FastListing::learn(std::span<const std::string_view> keys) {
  const std::size_t count = std::min(kLearnedKeys, keys.size());
  for (std::size_t i = 0; i < count; ++i)
    space_.learn(keys[count == 1 ? 0 : i * (keys.size() - 1) / (count - 1)]);
}

FastListing::Extent FastListing::extent_of(const Range& range) const {
  Extent extent;
  extent.cursor = space_.number_of(range.cursor);
  extent.end = range.end.has_value() ? space_.number_of(*range.end) : space_.end();
  extent.page = space_.difference(extent.cursor, space_.number_of(range.first_key));
  if (extent.end > extent.cursor) extent.left = space_.difference(extent.end, extent.cursor);
  return extent;
}

void FastListing::estimate(Range& range) const {
  const Extent extent = extent_of(range);
  const double page = std::max(space_.log2_of(extent.page), 0.0);
  const double left = space_.log2_of(extent.left);
  const double pages = left < 0.0 ? 0.0 : std::exp2(std::min(60.0, left - page));
  const double believed = std::max(
      0.25, kBelievedGrowth * static_cast<double>(range.pages) * std::pow(kDoubt, range.doubts));
  range.is_certain = pages <= believed;
  range.pages_left = std::clamp(pages, 0.25, believed);
  // What the space cannot spell yet may hold as much again as was seen.
  if (!range.end.has_value()) range.pages_left = std::max(range.pages_left, kLeastPagesToCut);
  range.estimated_at = space_.version();
}

bool FastListing::cut() {
  const auto useful = static_cast<double>(useful_pages_);
  const double first = std::min(useful, kFirstPagesPerSlot * slots_);
  const bool is_idle = in_flight() * 2 < slots_now();
  const double later_rate = is_idle ? kGuessesPerIdlePage : kGuessesPerLaterPage;
  const double guesses = kFreeGuesses + kGuessesPerPage * first + later_rate * (useful - first) -
                         static_cast<double>(empty_pages_) - unproven_;
  if (guesses < 1.0) return false;
  std::vector<RangePtr> largest_first;
  for (const auto& [id, range] : asked_) {
    if (!range->may_be_cut) continue;
    if (range->estimated_at != space_.version()) estimate(*range);
    if (range->pages_left >= kLeastPagesToCut) largest_first.push_back(range);
  }
  std::sort(largest_first.begin(), largest_first.end(), [](const RangePtr& a, const RangePtr& b) {
    return a->pages_left != b->pages_left ? a->pages_left > b->pages_left : a->cursor < b->cursor;
  });
  const int free = slots_now() - in_flight();
  for (std::size_t i = 0; i < largest_first.size(); ++i) {
    Range& range = *largest_first[i];
    const auto sharing = static_cast<int>(largest_first.size() - i);
    int count = std::min((free + sharing - 1) / sharing, static_cast<int>(guesses));
    if (range.is_certain)
      count = std::min(count, static_cast<int>(range.pages_left / kLeastPagesToCut));
    range.may_be_cut = false;
    std::vector<Pivot> at = pivots(range, std::max(count, 1));
    if (at.empty()) continue;
    RangePtr left = largest_first[i];
    for (std::size_t k = 0; k < at.size(); ++k) {
      auto part = std::make_shared<Range>();
      part->cursor = at[k].key;
      part->end = k + 1 < at.size() ? KeyEnd(at[k + 1].key) : range.end;
      part->guess = at[k].guess;
      part->left = std::exchange(left, part);
      waiting_.push_back(std::move(part));
      ++unproven_;
    }
    range.end = std::move(at.front().key);
    return true;
  }
  return false;
}

std::vector<FastListing::Pivot> FastListing::pivots(const Range& range, int count) const {
  const Extent extent = extent_of(range);
  std::vector<Pivot> at;
  if (extent.left.empty()) return at;

  std::vector<std::pair<KeySpace::Number, Guess>> places;
  // What the space cannot spell yet is a part of its own.
  const bool is_open = !range.end.has_value();
  const int inside = is_open ? count - 1 : count;
  const int even = range.is_certain ? inside : even_share(inside);
  const int by_scale = inside - even;
  for (int k = 1; k <= even; ++k) {
    const auto share = static_cast<std::uint32_t>(k);
    const auto shares = static_cast<std::uint32_t>(even + 1);
    places.emplace_back(space_.sum(extent.cursor, space_.scaled(extent.left, share, shares)),
                        kEven);
  }
  const double lowest = std::max(0.0, space_.log2_of(extent.page));
  const double highest = space_.log2_of(extent.left);
  for (int k = 1; k <= by_scale; ++k) {
    const double exponent = lowest + (highest - lowest) * k / (by_scale + 1);
    places.emplace_back(space_.sum(extent.cursor, space_.power_of_two(exponent)), kByScale);
  }
  if (is_open)
    places.emplace_back(space_.difference(extent.end, space_.power_of_two(0.0)), kBeyond);

  std::sort(places.begin(), places.end());
  for (const auto& [place, guess] : places) {
    if (place[0] != 0) continue;
    std::string key = space_.spell(place);
    if (key <= (at.empty() ? range.cursor : at.back().key)) continue;
    if (range.end.has_value() && key >= *range.end) continue;
    if (!check_object_key(key).is_ok()) continue;  // too long
    at.push_back({std::move(key), guess});
  }
  return at;
}

int FastListing::even_share(int count) const {
  const double even = records_[kEven].rate();
  const double by_scale = records_[kByScale].rate();
  const auto share = static_cast<int>(std::lround(count * even / (even + by_scale)));
  // Both are tried as long as there is room for both.
  return count < 2 ? share : std::clamp(share, 1, count - 1);
}

void FastListing::note_guess(const Range& range, bool is_hit) {
  if (const RangePtr left = range.left.lock(); left != nullptr && !is_hit) {
    ++left->doubts;
    if (left->may_be_cut) estimate(*left);
  }
  Record& record = records_[range.guess];
  record.tries += 1.0;
  if (is_hit) record.hits += 1.0;
  // What was right in one part of the key space need not be in the next.
  if (record.tries < kRememberedTries) return;
  record.tries /= 2.0;
  record.hits /= 2.0;
}

}  // namespace ossmc
