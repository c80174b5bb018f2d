#include "connector/object_listing.h"

#include <set>
#include <utility>

#include "base/fork_guard.h"
#include "base/log.h"

namespace ossmc {

ObjectListing::ObjectListing(std::shared_ptr<Engine> engine, SmallRequestQueue& queue,
                             ListingOptions options)
    : fork_generation_(fork_generation()),
      options_(std::move(options)),
      queue_(queue),
      work_(std::make_unique<Work>(Work{std::move(engine), nullptr})) {
  if (!options_.fast) {
    list_plainly();
    return;
  }
  const Engine& on = *work_->engine;
  auto fast = std::make_unique<FastLister>(queue_, on.counters(), on.clock(), options_.bucket,
                                           options_.prefix, options_.slots, options_.page_limit);
  fast_ = fast.get();
  work_->lister = std::move(fast);
}

ObjectListing::~ObjectListing() {
  // The parent's otherwise: threads and sockets that are not here.
  if (fork_generation() != fork_generation_) static_cast<void>(work_.release());
}

Result<bool> ObjectListing::next_rows(ObjectColumns& rows, Interrupt& interrupt) {
  if (fork_generation() != fork_generation_)
    return Status(StatusCode::kClosed, "this listing was begun in another process");
  // Until the outcome is known: nothing else notes that an exception has ended the call.
  if (std::exchange(has_failed_, true))
    return Status(StatusCode::kInternal, "this listing has failed before: begin another");
  Result<bool> more = next_of_lister(rows, interrupt);
  has_failed_ = !more.is_ok();
  return more;
}

Result<bool> ObjectListing::next_of_lister(ObjectColumns& rows, Interrupt& interrupt) {
  const std::size_t before = rows.size();
  Result<bool> more = work_->lister->next_rows(rows, interrupt);
  given_ += rows.size() - before;
  if (more.is_ok() || fast_ == nullptr || !fast_->is_plain_better() || rows.size() != given_)
    return more;
  process_log().write(LogLevel::kWarning,
                      more.status().message() + "; beginning anew, one page after the other");
  rows = {};
  given_ = 0;
  fast_ = nullptr;
  list_plainly()->set_warned();
  return next_of_lister(rows, interrupt);
}

SerialLister* ObjectListing::list_plainly() {
  auto plain =
      std::make_unique<SerialLister>(queue_, work_->engine->clock(), options_.bucket,
                                     options_.prefix, options_.page_limit, options_.delimiter);
  plain_ = plain.get();
  work_->lister = std::move(plain);
  return plain_;
}

std::vector<std::string> ObjectListing::common_prefixes() const {
  if (plain_ == nullptr || fork_generation() != fork_generation_) return {};
  const std::set<std::string>& prefixes = plain_->common_prefixes();
  return {prefixes.begin(), prefixes.end()};
}

}  // namespace ossmc
