// LogRing: where the core leaves its records; the front end's one drain thread collects them.
//
// Writers (any thread, I/O threads included) never block on a reader and never call user code: a
// record goes into a bounded ring, and an eventfd becomes readable when the ring stops being empty.
// When the ring is full the record is dropped and counted; the next drain tells how many.
// Thread-safe. One ring for the process (process_log()), made anew, with the same level and audit
// switch, in a forked child.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/mutex.h"

namespace ossmc {

enum class LogLevel : std::uint8_t { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3 };

struct LogRecord {
  LogLevel level = LogLevel::kInfo;
  bool audit = false;         // one line a request, for the audit file
  double unix_seconds = 0.0;  // when it was written
  std::string text;           // one line, control characters escaped, no secrets
};

class LogRing {
 public:
  explicit LogRing(std::size_t capacity = 4096);
  ~LogRing();
  LogRing(const LogRing&) = delete;
  LogRing& operator=(const LogRing&) = delete;

  void set_level(LogLevel level) { level_.store(level, std::memory_order_relaxed); }
  void set_audit(bool enabled) { audit_.store(enabled, std::memory_order_relaxed); }
  LogLevel level() const { return level_.load(std::memory_order_relaxed); }
  bool wants(LogLevel level) const { return level >= level_.load(std::memory_order_relaxed); }
  bool wants_audit() const { return audit_.load(std::memory_order_relaxed); }

  // Dropped unless wants(). Control characters and invalid UTF-8 in `text` are escaped, so that one
  // record is one line; it is cut off after 4 KiB.
  void write(LogLevel level, std::string text);
  void write_audit(std::string text);

  // Takes out up to `limit` records, oldest first, and clears the eventfd when none is left.
  // Records that did not fit are told of by one more record, a warning.
  std::vector<LogRecord> drain(std::size_t limit);
  // Readable while records wait. Owned by the ring.
  int event_fd() const { return event_fd_; }

 private:
  void push(LogRecord record);
  void signal();

  const std::size_t capacity_;
  const int event_fd_;
  std::atomic<LogLevel> level_{LogLevel::kInfo};
  std::atomic<bool> audit_{false};

  Mutex mutex_;
  std::deque<LogRecord> records_ OSSMC_GUARDED_BY(mutex_);
  std::uint64_t dropped_ OSSMC_GUARDED_BY(mutex_) = 0;
};

// The process's ring. After a fork the child gets a new, empty one.
LogRing& process_log();

}  // namespace ossmc
