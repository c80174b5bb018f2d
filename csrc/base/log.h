// LogRing: where the core leaves its records, for two who collect them: callers, who hand them to
// the front end's log, and the writer of log files, where there are any.
//
// Writers (any thread, I/O threads included) never block on a reader and never call user code: a
// record goes into a bounded queue for each of the two. When a queue is full the record is dropped
// and counted; the next drain of it tells how many. Thread-safe. One ring for the process
// (process_log()), made anew, with the same switches, in a forked child. It has no descriptor.
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
  LogRing(const LogRing&) = delete;
  LogRing& operator=(const LogRing&) = delete;

  void set_level(LogLevel level) { level_.store(level, std::memory_order_relaxed); }
  void set_audit(bool enabled) { audit_.store(enabled, std::memory_order_relaxed); }
  LogLevel level() const { return level_.load(std::memory_order_relaxed); }
  bool wants(LogLevel level) const { return level >= level_.load(std::memory_order_relaxed); }
  bool wants_audit() const { return audit_.load(std::memory_order_relaxed); }

  // Whether records are kept for files too. Those for an audit file go to files alone.
  void set_files(bool enabled);

  // Dropped unless wants(). Control characters and invalid UTF-8 in `text` are escaped, so that one
  // record is one line; it is cut off after 4 KiB.
  void write(LogLevel level, std::string text);
  void write_audit(std::string text);

  // For the front end's log: takes out up to `limit` records, oldest first. Records that did not
  // fit are told of by one more record, a warning.
  std::vector<LogRecord> drain(std::size_t limit) { return drain(for_callers_, limit); }
  // The same for the files.
  std::vector<LogRecord> drain_for_files(std::size_t limit) { return drain(for_files_, limit); }
  // Whether drain() has something to give. Cheap: callers look at the end of each call.
  bool has_records() const { return for_callers_.waits.load(std::memory_order_relaxed); }
  std::size_t size() const;  // how many records drain() could give

  // A futex word that changes when records for files begin to wait, and by poke_files().
  const std::atomic<std::uint32_t>& files_word() const { return files_word_; }
  void poke_files();

 private:
  struct Queue {
    std::deque<LogRecord> records;
    std::uint64_t dropped = 0;
    // Relaxed: who sees it late comes back.
    std::atomic<bool> waits{false};
  };

  void push(LogRecord record);
  // Returns whether it was empty. REQUIRES: the mutex.
  bool put(Queue& queue, LogRecord record) OSSMC_REQUIRES(mutex_);
  std::vector<LogRecord> drain(Queue& queue, std::size_t limit);

  const std::size_t capacity_;  // of each queue
  std::atomic<LogLevel> level_{LogLevel::kInfo};
  std::atomic<bool> audit_{false};
  std::atomic<bool> files_{false};
  std::atomic<std::uint32_t> files_word_{0};

  // Guards what is in the queues, but for `waits`, which is written under it.
  mutable Mutex mutex_;
  Queue for_callers_;
  Queue for_files_;
};

// The process's ring. After a fork the child gets a new, empty one.
LogRing& process_log();

}  // namespace ossmc
