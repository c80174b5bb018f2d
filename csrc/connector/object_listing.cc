#include "connector/object_listing.h"

#include <utility>

#include "base/fork_guard.h"
#include "base/log.h"

namespace ossmc {

ObjectListing::ObjectListing(std::shared_ptr<Engine> engine, SmallRequestQueue& queue,
                             ListingOptions options)
    : fork_generation_(fork_generation()),
      options_(std::move(options)),
      engine_(std::move(engine)),
      queue_(queue) {
  if (!options_.fast) {
    lister_ = std::make_unique<SerialLister>(queue_, engine_->clock(), options_.bucket,
                                             options_.prefix, options_.page_limit);
    return;
  }
  auto fast =
      std::make_unique<FastLister>(queue_, engine_->counters(), engine_->clock(), options_.bucket,
                                   options_.prefix, options_.slots, options_.page_limit);
  fast_ = fast.get();
  lister_ = std::move(fast);
}

ObjectListing::~ObjectListing() {
  if (fork_generation() == fork_generation_) return;
  // The parent's: threads and sockets that are not here.
  static_cast<void>(lister_.release());
  static_cast<void>(new std::shared_ptr<Engine>(std::move(engine_)));
}

Result<bool> ObjectListing::next_rows(ObjectColumns& rows, Interrupt& interrupt) {
  if (fork_generation() != fork_generation_)
    return Status(StatusCode::kClosed, "this listing was begun in another process");
  const std::size_t before = rows.size();
  const Result<bool> more = lister_->next_rows(rows, interrupt);
  given_ += rows.size() - before;
  if (more.is_ok() || fast_ == nullptr || !fast_->is_unordered() || rows.size() != given_)
    return more;
  process_log().write(LogLevel::kWarning,
                      more.status().message() + "; beginning anew, one page after the other");
  rows = {};
  given_ = 0;
  fast_ = nullptr;
  lister_ = std::make_unique<SerialLister>(queue_, engine_->clock(), options_.bucket,
                                           options_.prefix, options_.page_limit, KeyOrder::kAny);
  return next_rows(rows, interrupt);
}

}  // namespace ossmc
