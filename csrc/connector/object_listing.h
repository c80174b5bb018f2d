// ObjectListing: a listing in progress, as rows that come page after page.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/wait.h"
#include "connector/engine.h"
#include "listing/fast_lister.h"
#include "listing/lister.h"
#include "listing/object_columns.h"
#include "listing/serial_lister.h"

namespace ossmc {

struct ListingOptions {
  std::string bucket;
  std::string prefix;
  std::string delimiter;  // empty: none; else not fast
  bool fast = false;
  int slots = 1;  // of a fast one: requests in flight
  Duration page_limit{};
};

// Used by one thread at a time. Keeps the engine, whose threads do the work; given up in the middle
// it cancels what is in flight. In a forked child it is of no use.
class ObjectListing final : public Lister {
 public:
  // REQUIRES: `queue` is the engine's.
  ObjectListing(std::shared_ptr<Engine> engine, SmallRequestQueue& queue, ListingOptions options);
  ~ObjectListing() override;
  ObjectListing(const ObjectListing&) = delete;
  ObjectListing& operator=(const ObjectListing&) = delete;

  // A fast listing of a store that does not list in byte order, or means a blank by "+", begins
  // anew, as a plain one and with a warning in the log, where `rows` holds all rows so far: they
  // are dropped. kProtocol where it does not. kInternal after an error, or an exception, of a call
  // before: rows may be missing.
  Result<bool> next_rows(ObjectColumns& rows, Interrupt& interrupt) override;
  // With a delimiter: of all pages so far, in byte order. In a forked child none.
  std::vector<std::string> common_prefixes() const;

 private:
  struct Work {
    std::shared_ptr<Engine> engine;
    std::unique_ptr<Lister> lister;
  };

  Result<bool> next_of_lister(ObjectColumns& rows, Interrupt& interrupt);
  SerialLister* list_plainly();

  const std::uint64_t fork_generation_;
  const ListingOptions options_;
  SmallRequestQueue& queue_;
  bool has_failed_ = false;
  std::uint64_t given_ = 0;
  // The lister, as whichever it is.
  FastLister* fast_ = nullptr;
  SerialLister* plain_ = nullptr;
  std::unique_ptr<Work> work_;
};

}  // namespace ossmc
