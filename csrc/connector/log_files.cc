#include "connector/log_files.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

#include "base/blocked_signals.h"
#include "base/of_process.h"
#include "base/wait.h"
#include "protocol/dates.h"
#include "protocol/secrets.h"

namespace ossmc {

namespace {

// Records between two looks at what is configured.
constexpr std::size_t kBatch = 512;
// How long the end of a connector waits for a disk that hangs.
constexpr Duration kLongestFlush = std::chrono::milliseconds(500);
// Waking up for nothing once a minute costs nothing.
constexpr Duration kLongestSleep = std::chrono::minutes(1);

const char* name_of(const LogRecord& record) {
  if (record.audit) return "AUDIT";
  switch (record.level) {
    case LogLevel::kDebug:
      return "DEBUG";
    case LogLevel::kInfo:
      return "INFO";
    case LogLevel::kWarning:
      return "WARNING";
    case LogLevel::kError:
      break;
  }
  return "ERROR";
}

std::string line_of(const LogRecord& record) {
  return format_iso_milliseconds(record.unix_seconds) + " " + name_of(record) + " [" +
         std::to_string(::getpid()) + "] " + without_secrets(record.text);
}

}  // namespace

LogFiles& LogFiles::of_process() {
  static constinit OfProcess<LogFiles> of_process;
  return of_process.get([] { return std::make_unique<LogFiles>(process_log()); });
}

LogFiles::LogFiles(LogRing& ring) : ring_(ring) {}

LogFiles::~LogFiles() {
  MutexLock lock(lifecycle_);
  stop();
}

FileFault LogFiles::attach(std::uint64_t key, LogSettings settings, bool late) {
  Files opened;
  for (const std::string& path : std::set{settings.log_path, settings.audit_path}) {
    if (path.empty()) continue;
    auto file = std::make_shared<RotatingFile>(path);
    const int error = late ? 0 : file->open();
    if (error != 0) return {error, path};
    opened.emplace(path, std::move(file));
  }
  MutexLock lock(mutex_);
  files_.merge(opened);  // one that is there stays, and the second one is closed
  settings_[key] = std::move(settings);
  tell_ring_locked();
  return {};
}

void LogFiles::detach(std::uint64_t key) {
  Files unused;  // closed after the locks
  {
    MutexLock lock(mutex_);
    if (!settings_.contains(key)) return;
  }
  flush(kLongestFlush);
  {
    MutexLock lock(mutex_);
    settings_.erase(key);
    const auto is_used = [&](const std::string& path) OSSMC_NO_THREAD_SAFETY_ANALYSIS {
      return std::any_of(settings_.begin(), settings_.end(), [&](const auto& one) {
        return one.second.log_path == path || one.second.audit_path == path;
      });
    };
    for (auto file = files_.begin(); file != files_.end();) {
      const auto next = std::next(file);
      if (!is_used(file->first)) unused.insert(files_.extract(file));
      file = next;
    }
    tell_ring_locked();
  }
  MutexLock lock(lifecycle_);
  if (!has_files()) stop();
}

void LogFiles::start() {
  if (!has_files()) return;
  MutexLock lock(lifecycle_);
  if (thread_.joinable() || !has_files()) return;
  stopping_.store(false);
  ended_.store(0);
  const BlockedSignals blocked;  // the new thread starts with this thread's mask
  try {
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "ossmc-log");
      run();
    });
  } catch (const std::system_error&) {
    stopping_.store(true);  // no thread is to be had: closing a connector writes what waits
  }
}

void LogFiles::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  ring_.poke_files();
  const TimePoint deadline = system_clock().now() + kLongestFlush;
  while (ended_.load() == 0 && system_clock().now() < deadline)
    futex_wait(ended_, 0, deadline - system_clock().now());
  // A disk hangs: better a thread that is left behind than a program that does not end. All that it
  // uses is there as long as the process.
  if (ended_.load() == 0) return thread_.detach();
  thread_.join();
}

void LogFiles::run() {
  while (!stopping_.load()) {
    const std::uint32_t seen = ring_.files_word().load(std::memory_order_acquire);
    if (stopping_.load()) break;
    if (!flush(kWaitSlice)) continue;
    futex_wait(ring_.files_word(), seen, kLongestSleep);
  }
  ended_.store(1);
  futex_wake_all(ended_);
}

bool LogFiles::flush(Duration limit) {
  if (!has_files()) return true;
  if (!writing_.try_lock_for(limit)) return false;
  write_waiting();
  writing_.unlock();
  return true;
}

void LogFiles::write_waiting() {
  while (true) {
    const std::vector<LogRecord> records = ring_.drain_for_files(kBatch);
    if (records.empty()) return;
    const Plan now = plan();
    for (const LogRecord& record : records) write(now, record);
  }
}

void LogFiles::write(const Plan& plan, const LogRecord& record) {
  std::set<std::string> paths;
  for (const LogSettings& one : plan.settings) {
    if (record.audit) {
      paths.insert(one.audit_path);
    } else if (record.level >= one.level) {
      paths.insert(one.log_path);
    }
  }
  const std::string line = line_of(record);
  for (const std::string& path : paths) {
    const auto file = plan.files.find(path);
    if (file != plan.files.end()) file->second->write(line);
  }
}

void LogFiles::tell_ring_locked() {
  LogLevel least = LogLevel::kError;
  bool audits = false;
  for (const auto& [key, one] : settings_) {
    least = std::min(least, one.level);
    audits = audits || !one.audit_path.empty();
  }
  ring_.set_level(settings_.empty() ? LogLevel::kInfo : least);
  ring_.set_audit(audits);
  ring_.set_files(!files_.empty());
}

bool LogFiles::has_files() {
  MutexLock lock(mutex_);
  return !files_.empty();
}

LogFiles::Plan LogFiles::plan() {
  MutexLock lock(mutex_);
  Plan result;
  for (const auto& [key, one] : settings_) result.settings.push_back(one);
  result.files = files_;
  return result;
}

}  // namespace ossmc
