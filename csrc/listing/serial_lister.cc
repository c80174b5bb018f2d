#include "listing/serial_lister.h"

#include <algorithm>
#include <cassert>
#include <memory>
#include <utility>

#include "base/log.h"
#include "protocol/object_name.h"

namespace ossmc {

namespace {

// A page may be empty and still not the last (deleted keys are skipped that way). So many in a row
// are a loop.
constexpr int kMaxEmptyPages = 1000;

}  // namespace

SerialListing::SerialListing(std::string bucket, std::string prefix, std::string delimiter)
    : bucket_(std::move(bucket)), prefix_(std::move(prefix)), delimiter_(std::move(delimiter)) {}

StoreRequest SerialListing::next_request() const {
  assert(!done_);
  StoreRequest request = list_request(bucket_, prefix_, marker_, token_, delimiter_);
  // A store that knows V1 alone takes no notice of the other two.
  if (!marker_.empty()) request.query.push_back({"marker", marker_});
  return request;
}

Status SerialListing::check_keys(const ListPage& page) {
  std::string_view previous = last_key_;
  for (const ListedObject& object : page.objects) {
    Status status = check_key(object.key, prefix_, previous);
    if (status.is_ok()) status = check_size(object);
    if (!status.is_ok()) return status;
    if (order_.is_ok()) order_ = check_order(object.key, previous);
    previous = object.key;
  }
  return Status::ok();
}

std::size_t SerialListing::rolled_up_size(std::string_view key) const {
  if (delimiter_.empty()) return 0;
  const std::size_t at = key.find(delimiter_, prefix_.size());
  return at == key.npos ? 0 : at + delimiter_.size();
}

Result<bool> SerialListing::take_common_prefixes(const ListPage& page) {
  if (delimiter_.empty()) return false;
  bool has_new = false;
  for (const std::string_view common : page.common_prefixes) {
    if (!common.starts_with(prefix_) || rolled_up_size(common) != common.size()) {
      return broken_page("the page holds the common prefix " + in_quotes(common) +
                         ", which is not the prefix and a name that ends in the delimiter");
    }
    has_new = common_prefixes_.emplace(common).second || has_new;
  }
  for (const ListedObject& object : page.objects) {
    const std::size_t size = rolled_up_size(object.key);
    if (size > 0) common_prefixes_.emplace(object.key.substr(0, size));
  }
  return has_new;
}

void SerialListing::replace_in_common_prefixes(char from, char to) {
  std::set<std::string> replaced;
  for (std::string common : common_prefixes_) {
    std::replace(common.begin(), common.end(), from, to);
    replaced.insert(std::move(common));
  }
  common_prefixes_ = std::move(replaced);
}

Status SerialListing::go_on_behind(const ListPage& page) {
  token_ = page.next_continuation_token;
  marker_.clear();
  if (!token_.empty()) {
    if (tokens_.insert(token_).second) return Status::ok();
    return broken_page("page " + std::to_string(pages_) +
                       " repeats the continuation token of one before: the listing would not end");
  }
  marker_ = page.next_marker;
  if (marker_.empty()) {
    if (!page.objects.empty()) marker_ = page.objects.back().key;
    if (!page.common_prefixes.empty())
      marker_ = std::max<std::string_view>(marker_, page.common_prefixes.back());
  }
  if (marker_.empty()) {
    return broken_page("page " + std::to_string(pages_) +
                       " says that more follow (IsTruncated), but not where (no "
                       "NextContinuationToken, no NextMarker, no keys)");
  }
  if (markers_.insert(marker_).second) return Status::ok();
  return broken_page("page " + std::to_string(pages_) + " ends at " + in_quotes(marker_) +
                     ", as one before it: the listing would not end");
}

Status SerialListing::take_page(const ListPage& page) {
  ++pages_;
  Status status = check_keys(page);
  if (!status.is_ok()) return status;
  const Result<bool> has_new = take_common_prefixes(page);
  if (!has_new.is_ok()) return has_new.status();
  if (!page.objects.empty()) {
    last_key_ = page.objects.back().key;
    if (!first_keys_.emplace(page.objects.front().key).second) {
      return broken_page("page " + std::to_string(pages_) + " begins with " +
                         in_quotes(page.objects.front().key) +
                         ", as one before it: the listing would not end");
    }
  }
  if (!page.is_truncated) {
    done_ = true;
    return Status::ok();
  }
  empty_pages_ = page.objects.empty() && !*has_new ? empty_pages_ + 1 : 0;
  if (empty_pages_ >= kMaxEmptyPages) {
    return broken_page(std::to_string(kMaxEmptyPages) +
                       " empty pages in a row, each saying that more follow");
  }
  return go_on_behind(page);
}

SerialLister::SerialLister(SmallRequestQueue& queue, const Clock& clock, std::string bucket,
                           std::string prefix, Duration page_limit, std::string delimiter)
    : queue_(queue),
      clock_(clock),
      name_(bucket, prefix),
      page_limit_(page_limit),
      listing_(std::move(bucket), std::move(prefix), std::move(delimiter)) {}

Result<bool> SerialLister::next_rows(ObjectColumns& rows, Interrupt& interrupt) {
  if (listing_.is_done()) return false;
  const std::shared_ptr<PendingReply> reply = queue_.submit(
      Operation::kList, listing_.next_request(), name_.what, name_.uri, kMaxListBodyBytes);
  Status status = reply->wait(interrupt, clock_, page_limit_);
  if (!status.is_ok()) return named_error(name_, status, nullptr);
  const Result<ListPage> page = parse_list_page(std::move(reply->body()), plus_signs_);
  status = page.is_ok() ? listing_.take_page(*page) : page.status();
  if (status.is_ok()) status = take_plus_signs(page->plus_signs, rows);
  if (!status.is_ok()) return named_error(name_, status, &reply->head());
  for (const ListedObject& object : page->objects) {
    if (listing_.is_rolled_up(object.key)) continue;
    rows.append(object);
    ++given_;
  }
  warn_of_order();
  return true;
}

// What was decoded the other way has no key in which the two could be mixed up: "%2B" made no plus
// before, or "%20" no blank.
Status SerialLister::take_plus_signs(const PlusSigns& signs, ObjectColumns& rows) {
  const bool was_blank = plus_signs_.mean_blanks();
  const bool has_raw = plus_signs_.raw;
  plus_signs_.add(signs);
  const bool is_blank = plus_signs_.mean_blanks();
  if (was_blank == is_blank || !has_raw) return Status::ok();
  if (rows.size() != given_) {
    return broken_page(
        std::string("\"+\" in keys stands for ") + (is_blank ? "a blank" : "itself") +
        " (EncodingType url), as this page tells after keys with one were given out: list() "
        "gives all keys right");
  }
  const char from = is_blank ? '+' : ' ';
  const char to = is_blank ? ' ' : '+';
  rows.replace_in_keys(from, to);
  listing_.replace_in_common_prefixes(from, to);
  return Status::ok();
}

void SerialLister::warn_of_order() {
  if (listing_.order().is_ok() || std::exchange(has_warned_, true)) return;
  process_log().write(LogLevel::kWarning,
                      name_.what + ": " + listing_.order().message() +
                          ": the store has another order, which is kept; sort() makes one");
}

}  // namespace ossmc
