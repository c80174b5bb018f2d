#include "base/log.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/fork_guard.h"
#include "base/utf8.h"
#include "base/wait.h"

namespace ossmc {

namespace {

// A full ring of the longest records stays below 16 MiB and a little.
constexpr std::size_t kMaxTextBytes = 4096;

// C0, DEL, C1, and the two separators that some readers take for the end of a line.
bool is_control(std::uint32_t point) {
  return point < 0x20 || (point >= 0x7F && point <= 0x9F) || point == 0x2028 || point == 0x2029;
}

void append_hex(std::string* out, char kind, std::uint32_t value, int digits) {
  out->push_back('\\');
  out->push_back(kind);
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
    out->push_back("0123456789abcdef"[(value >> shift) & 0xF]);
  }
}

std::string to_one_line(std::string text) {
  const bool is_plain =
      text.size() <= kMaxTextBytes &&
      std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
  if (is_plain) return text;
  std::string line;
  line.reserve(std::min(text.size(), kMaxTextBytes) + 16);
  for (std::string_view rest = text; !rest.empty();) {
    if (line.size() >= kMaxTextBytes) {
      line += "...";
      break;
    }
    const auto [size, point] = decode_utf8_sequence(rest);
    if (size == 0) {
      append_hex(&line, 'x', static_cast<unsigned char>(rest[0]), 2);
      rest.remove_prefix(1);
      continue;
    }
    if (point == '\n') {
      line += "\\n";
    } else if (point == '\r') {
      line += "\\r";
    } else if (point == '\t') {
      line += "\\t";
    } else if (is_control(point)) {
      append_hex(&line, point < 0x80 ? 'x' : 'u', point, point < 0x80 ? 2 : 4);
    } else {
      line += rest.substr(0, size);
    }
    rest.remove_prefix(size);
  }
  return line;
}

// The process's ring and the process it was made in.
struct ProcessRing {
  std::uint64_t generation = fork_generation();
  LogRing ring;
};

constinit std::atomic<ProcessRing*> process_ring{nullptr};

}  // namespace

LogRing::LogRing(std::size_t capacity) : capacity_(std::max<std::size_t>(capacity, 1)) {}

void LogRing::set_files(bool enabled) { files_.store(enabled, std::memory_order_relaxed); }

void LogRing::write(LogLevel level, std::string text) {
  if (!wants(level)) return;
  push({level, false, system_clock().unix_seconds(), to_one_line(std::move(text))});
}

void LogRing::write_audit(std::string text) {
  if (!wants_audit()) return;
  push({LogLevel::kInfo, true, system_clock().unix_seconds(), to_one_line(std::move(text))});
}

void LogRing::push(LogRecord record) {
  bool pokes = false;
  {
    MutexLock lock(mutex_);
    if (files_.load(std::memory_order_relaxed)) pokes = put(for_files_, record);
    if (!record.audit) put(for_callers_, std::move(record));
  }
  if (pokes) poke_files();
}

bool LogRing::put(Queue& queue, LogRecord record) {
  const bool was_empty = queue.records.empty();
  if (queue.records.size() < capacity_) {
    queue.records.push_back(std::move(record));
  } else {
    ++queue.dropped;
  }
  queue.waits.store(true, std::memory_order_relaxed);
  return was_empty;
}

void LogRing::poke_files() {
  files_word_.fetch_add(1, std::memory_order_release);
  futex_wake_all(files_word_);
}

std::size_t LogRing::size() const {
  MutexLock lock(mutex_);
  return for_callers_.records.size() + (for_callers_.dropped != 0 ? 1 : 0);
}

std::vector<LogRecord> LogRing::drain(Queue& queue, std::size_t limit) {
  std::vector<LogRecord> taken;
  if (limit == 0) return taken;
  std::uint64_t dropped = 0;
  {
    MutexLock lock(mutex_);
    taken.reserve(std::min(limit, queue.records.size() + 1));
    while (!queue.records.empty() && taken.size() < limit) {
      taken.push_back(std::move(queue.records.front()));
      queue.records.pop_front();
    }
    // Said behind the records that were in time; those dropped came after them.
    if (queue.records.empty() && taken.size() < limit) dropped = std::exchange(queue.dropped, 0);
    queue.waits.store(!queue.records.empty() || queue.dropped != 0, std::memory_order_relaxed);
  }
  if (dropped != 0) {
    taken.push_back({LogLevel::kWarning, false, system_clock().unix_seconds(),
                     std::to_string(dropped) + " log records dropped: the log ring was full"});
  }
  return taken;
}

LogRing& process_log() {
  // Acquire and release: the ring another thread has made is complete when its address is seen.
  ProcessRing* current = process_ring.load(std::memory_order_acquire);
  while (current == nullptr || current->generation != fork_generation()) {
    auto fresh = std::make_unique<ProcessRing>();
    if (current != nullptr) {
      // What the parent wants to be told, its child is asked to tell too. Atomics may be read; the
      // rest of the parent's ring is left alone (a thread that is not here may have held its lock),
      // and leaked.
      fresh->ring.set_audit(current->ring.wants_audit());
      fresh->ring.set_level(current->ring.level());
      // Files are the parent's: who writes them here says so.
    }
    if (process_ring.compare_exchange_strong(current, fresh.get(), std::memory_order_acq_rel)) {
      return fresh.release()->ring;
    }
  }
  return current->ring;
}

}  // namespace ossmc
