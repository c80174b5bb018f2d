// LearntVersion: what replies have told of the version of an object, put together: each is compared
// with all before it.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fetch/object_version.h"

namespace ossmc {

// Shared by a reader and its streams, one after the other. Thread-safe, without a lock: a forked
// child finds it whole.
class LearntVersion {
 public:
  LearntVersion() = default;
  ~LearntVersion();
  LearntVersion(const LearntVersion&) = delete;
  LearntVersion& operator=(const LearntVersion&) = delete;

  // A good reply. A text: how it is of another version than those before it; then nothing is kept
  // of it. Else marks that they did not have are.
  std::optional<std::string> take(const ObjectVersion& reply);
  // Null: nothing was told yet. Else constant, and there as long as this is; a later call may give
  // one with more marks.
  const ObjectVersion* told() const;

  // What all replies have been checked by, as ObjectReader.verified has it.
  std::string_view checked_by() const { return lacks_etag_ ? "length+modified" : "length+etag"; }

 private:
  struct Told {
    ObjectVersion version;
    std::unique_ptr<const Told> before;  // with fewer marks; somebody may look at it still
  };

  std::atomic<const Told*> told_{nullptr};  // owned; release and acquire: what it points to
  std::atomic<bool> lacks_etag_{false};     // a reply had no strong one
};

}  // namespace ossmc
