#include "base/log.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/fork_guard.h"
#include "base/utf8.h"

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

LogRing::LogRing(std::size_t capacity)
    : capacity_(std::max<std::size_t>(capacity, 1)),
      event_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

LogRing::~LogRing() {
  if (event_fd_ >= 0) ::close(event_fd_);
}

void LogRing::write(LogLevel level, std::string text) {
  if (!wants(level)) return;
  push({level, false, system_clock().unix_seconds(), to_one_line(std::move(text))});
}

void LogRing::write_audit(std::string text) {
  if (!wants_audit()) return;
  push({LogLevel::kInfo, true, system_clock().unix_seconds(), to_one_line(std::move(text))});
}

void LogRing::push(LogRecord record) {
  bool was_empty = false;
  {
    MutexLock lock(mutex_);
    was_empty = records_.empty();
    if (records_.size() < capacity_) {
      records_.push_back(std::move(record));
    } else {
      ++dropped_;
    }
  }
  if (was_empty) signal();
}

void LogRing::signal() {
  const std::uint64_t one = 1;
  // Cannot fail in a way that matters: a full eventfd is readable already.
  [[maybe_unused]] const ssize_t written = ::write(event_fd_, &one, sizeof(one));
}

std::vector<LogRecord> LogRing::drain(std::size_t limit) {
  std::vector<LogRecord> taken;
  if (limit == 0) return taken;
  taken.reserve(std::min(limit, capacity_ + 1));
  // Cleared before the look, so that a record which comes after it signals again: at worst there is
  // one signal too many.
  std::uint64_t signals = 0;
  [[maybe_unused]] const ssize_t cleared = ::read(event_fd_, &signals, sizeof(signals));

  std::uint64_t dropped = 0;
  bool some_left = false;
  {
    MutexLock lock(mutex_);
    while (!records_.empty() && taken.size() < limit) {
      taken.push_back(std::move(records_.front()));
      records_.pop_front();
    }
    // Said behind the records that were in time; those dropped came after them.
    if (records_.empty() && taken.size() < limit) dropped = std::exchange(dropped_, 0);
    some_left = !records_.empty() || dropped_ != 0;
  }
  if (some_left) signal();
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
    }
    if (process_ring.compare_exchange_strong(current, fresh.get(), std::memory_order_acq_rel)) {
      return fresh.release()->ring;
    }
  }
  return current->ring;
}

}  // namespace ossmc
