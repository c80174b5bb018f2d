#include "listing/serial_lister.h"

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

SerialListing::SerialListing(std::string bucket, std::string prefix)
    : bucket_(std::move(bucket)), prefix_(std::move(prefix)) {}

StoreRequest SerialListing::next_request() const {
  assert(!done_);
  StoreRequest request = list_request(bucket_, prefix_, marker_, token_);
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

Status SerialListing::go_on_behind(const ListPage& page) {
  token_ = page.next_continuation_token;
  marker_.clear();
  if (!token_.empty()) {
    if (tokens_.insert(token_).second) return Status::ok();
    return broken_page("page " + std::to_string(pages_) +
                       " repeats the continuation token of one before: the listing would not end");
  }
  marker_ = page.next_marker;
  if (marker_.empty() && !page.objects.empty()) marker_ = page.objects.back().key;
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
  empty_pages_ = page.objects.empty() ? empty_pages_ + 1 : 0;
  if (empty_pages_ >= kMaxEmptyPages) {
    return broken_page(std::to_string(kMaxEmptyPages) +
                       " empty pages in a row, each saying that more follow");
  }
  return go_on_behind(page);
}

SerialLister::SerialLister(SmallRequestQueue& queue, const Clock& clock, std::string bucket,
                           std::string prefix, Duration page_limit)
    : queue_(queue),
      clock_(clock),
      name_(bucket, prefix),
      page_limit_(page_limit),
      listing_(std::move(bucket), std::move(prefix)) {}

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
  for (const ListedObject& object : page->objects) rows.append(object);
  given_ += page->objects.size();
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
  rows.replace_in_keys(is_blank ? '+' : ' ', is_blank ? ' ' : '+');
  return Status::ok();
}

void SerialLister::warn_of_order() {
  if (listing_.order().is_ok() || std::exchange(has_warned_, true)) return;
  process_log().write(LogLevel::kWarning,
                      name_.what + ": " + listing_.order().message() +
                          ": the store has another order, which is kept; sort() makes one");
}

}  // namespace ossmc
