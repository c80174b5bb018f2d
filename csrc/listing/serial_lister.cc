#include "listing/serial_lister.h"

#include <cassert>
#include <memory>
#include <utility>

namespace ossmc {

namespace {

// A page may be empty and still not the last (deleted keys are skipped that way). So many in a row
// are a loop.
constexpr int kMaxEmptyPages = 1000;

}  // namespace

SerialListing::SerialListing(std::string bucket, std::string prefix, KeyOrder order)
    : bucket_(std::move(bucket)), prefix_(std::move(prefix)), order_(order) {}

StoreRequest SerialListing::next_request() const {
  assert(!done_);
  return list_request(bucket_, prefix_, {}, token_);
}

Status SerialListing::take_page(const ListPage& page) {
  ++pages_;
  std::string_view previous = last_key_;
  for (const ListedObject& object : page.objects) {
    Status status = check_key(object.key, prefix_, previous, order_);
    if (status.is_ok()) status = check_size(object);
    if (!status.is_ok()) return status;
    previous = object.key;
  }
  if (!page.objects.empty()) last_key_ = page.objects.back().key;

  if (!page.is_truncated) {
    done_ = true;
    return Status::ok();
  }
  if (page.next_continuation_token.empty()) {
    return broken_page("page " + std::to_string(pages_) +
                       " says that more follow, but has no continuation token");
  }
  if (page.next_continuation_token == token_) {
    return broken_page(
        "page " + std::to_string(pages_) +
        " repeats the continuation token of the page before: the listing would not end");
  }
  empty_pages_ = page.objects.empty() ? empty_pages_ + 1 : 0;
  if (empty_pages_ >= kMaxEmptyPages) {
    return broken_page(std::to_string(kMaxEmptyPages) +
                       " empty pages in a row, each saying that more follow");
  }
  token_ = page.next_continuation_token;
  return Status::ok();
}

SerialLister::SerialLister(SmallRequestQueue& queue, const Clock& clock, std::string bucket,
                           std::string prefix, Duration page_limit, KeyOrder order)
    : queue_(queue),
      clock_(clock),
      name_(bucket, prefix),
      page_limit_(page_limit),
      listing_(std::move(bucket), std::move(prefix), order) {}

Result<bool> SerialLister::next_rows(ObjectColumns& rows, Interrupt& interrupt) {
  if (listing_.is_done()) return false;
  const std::shared_ptr<PendingReply> reply = queue_.submit(
      Operation::kList, listing_.next_request(), name_.what, name_.uri, kMaxListBodyBytes);
  Status status = reply->wait(interrupt, clock_, page_limit_);
  if (!status.is_ok()) return named_error(name_, status, nullptr);
  const Result<ListPage> page = parse_list_page(std::move(reply->body()));
  status = page.is_ok() ? listing_.take_page(*page) : page.status();
  if (!status.is_ok()) return named_error(name_, status, &reply->head());
  for (const ListedObject& object : page->objects) rows.append(object);
  return true;
}

}  // namespace ossmc
