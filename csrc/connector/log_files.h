// LogFiles: the log and audit files that the process's connectors ask for.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/rotating_file.h"
#include "base/timed_mutex.h"

namespace ossmc {

// What one connector's configuration says of logs. Paths as they are opened; empty: none.
struct LogSettings {
  LogLevel level = LogLevel::kInfo;
  std::string log_path;
  std::string audit_path;
};

// A file that cannot be opened.
struct FileFault {
  int error = 0;  // errno
  std::string path;
};

// Takes records out of the ring and writes them, by a thread of its own that waits for them at a
// futex: it runs from the first connector that starts, while a file is configured, to the end of
// the last of those. It tells the ring what is wanted at all, too. Thread-safe; no function is
// quick, for files may be slow.
class LogFiles {
 public:
  // The process's. A forked child has one of its own, with no settings.
  static LogFiles& of_process();

  explicit LogFiles(LogRing& ring);
  // Joins the thread.
  ~LogFiles();
  LogFiles(const LogFiles&) = delete;
  LogFiles& operator=(const LogFiles&) = delete;

  // From now on, until detach(key). Opens the files now, or with `late` when there is something to
  // write, and then nothing is an error. REQUIRES: the key is not in use.
  FileFault attach(std::uint64_t key, LogSettings settings, bool late = false);
  // Writes what waits, if the disk lets it. Does nothing if it was done.
  void detach(std::uint64_t key);
  // Starts the thread if there are files and it does not run.
  void start();
  // Writes what waits, in this thread; false: another one was at it for `limit`.
  bool flush(Duration limit);

 private:
  using Files = std::map<std::string, std::shared_ptr<RotatingFile>>;
  // What is written where, at one moment.
  struct Plan {
    std::vector<LogSettings> settings;
    Files files;
  };

  void run();
  void stop() OSSMC_REQUIRES(lifecycle_);
  void write_waiting() OSSMC_REQUIRES(writing_);
  void write(const Plan& plan, const LogRecord& record) OSSMC_REQUIRES(writing_);
  void tell_ring_locked() OSSMC_REQUIRES(mutex_);
  bool has_files();
  Plan plan();

  LogRing& ring_;

  std::atomic<bool> stopping_{false};
  // Futex word: the thread has ended.
  std::atomic<std::uint32_t> ended_{0};

  Mutex lifecycle_;  // held while the thread starts or ends: no leaf
  std::thread thread_ OSSMC_GUARDED_BY(lifecycle_);

  TimedMutex writing_;  // held while files are written: no leaf

  Mutex mutex_;
  std::map<std::uint64_t, LogSettings> settings_ OSSMC_GUARDED_BY(mutex_);
  Files files_ OSSMC_GUARDED_BY(mutex_);  // by path; connectors may share one
};

}  // namespace ossmc
