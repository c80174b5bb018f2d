// A stand-in, to be replaced: cuts at one ASCII character between the ends of a range.
#include "listing/fast_listing.h"

#include <algorithm>
#include <utility>

namespace ossmc {

class FastListing::Impl {
 public:
  struct Range {
    std::string cursor, end;
    bool open_end = false;  // no end at all
    bool in_flight = false;
    bool may_cut = false;
    std::uint64_t id = 0;
  };

  std::string prefix;
  int slots = 1;
  int in_flight = 0;
  std::uint64_t pages = 0, empty = 0, ids = 0;
  std::vector<Range> ranges;
};

FastListing::FastListing(std::string prefix, int slots) : impl_(std::make_unique<Impl>()) {
  impl_->prefix = std::move(prefix);
  impl_->slots = slots;
  impl_->ranges.push_back({"", "", true, false, false, 0});
}
FastListing::~FastListing() = default;

std::optional<PageWanted> FastListing::next() {
  if (impl_->in_flight >= impl_->slots) return std::nullopt;
  const auto give = [&](Impl::Range& range) {
    range.in_flight = true;
    range.id = ++impl_->ids;
    ++impl_->in_flight;
    return PageWanted{range.id, range.cursor};
  };
  for (Impl::Range& range : impl_->ranges)
    if (!range.in_flight) return give(range);
  for (std::size_t i = 0; i < impl_->ranges.size(); ++i) {
    Impl::Range& range = impl_->ranges[i];
    if (!range.may_cut) continue;
    std::size_t same = impl_->prefix.size();
    while (!range.open_end && same < range.cursor.size() && same < range.end.size() &&
           range.cursor[same] == range.end[same])
      ++same;
    const auto byte = [&](const std::string& key, int missing) {
      return same < key.size() ? static_cast<unsigned char>(key[same]) : missing;
    };
    const int low = std::min(byte(range.cursor, 31), 126);
    const int high = range.open_end ? 126 : std::min(byte(range.end, 127), 126);
    std::string pivot = range.cursor.substr(0, same) + static_cast<char>((low + high + 1) / 2);
    range.may_cut = false;
    if (pivot <= range.cursor || (!range.open_end && pivot >= range.end)) continue;
    Impl::Range right{pivot, range.end, range.open_end, false, false, 0};
    range.end = pivot;
    range.open_end = false;
    impl_->ranges.push_back(right);
    return give(impl_->ranges.back());
  }
  return std::nullopt;
}

Result<std::size_t> FastListing::take_page(std::uint64_t id, std::span<const std::string_view> keys,
                                           bool is_truncated) {
  const auto found = std::find_if(impl_->ranges.begin(), impl_->ranges.end(),
                                  [&](const Impl::Range& range) { return range.id == id; });
  std::string_view before = found->cursor;
  for (const std::string_view key : keys) {
    if ((!before.empty() && key <= before) || !key.starts_with(impl_->prefix))
      return Status(StatusCode::kProtocol, "not in byte order: " + std::string(key));
    before = key;
  }
  --impl_->in_flight;
  ++impl_->pages;
  std::size_t kept = keys.size();
  if (!found->open_end) {
    kept = static_cast<std::size_t>(
        std::upper_bound(keys.begin(), keys.end(), std::string_view(found->end)) - keys.begin());
  }
  if (kept == 0) ++impl_->empty;
  if (kept < keys.size() || !is_truncated) {
    impl_->ranges.erase(found);
  } else {
    found->cursor = keys.back();
    found->in_flight = false;
    found->may_cut = true;
    found->id = 0;
  }
  return kept;
}

void FastListing::note_throttled() {}
bool FastListing::is_done() const { return impl_->ranges.empty(); }
int FastListing::in_flight() const { return impl_->in_flight; }
std::uint64_t FastListing::pages() const { return impl_->pages; }
std::uint64_t FastListing::empty_pages() const { return impl_->empty; }
int FastListing::slots_now() const { return impl_->slots; }

}  // namespace ossmc
