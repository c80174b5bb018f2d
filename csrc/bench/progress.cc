#include "bench/progress.h"

#include <array>
#include <cstdio>
#include <utility>

#include "base/clock.h"

namespace ossmc::bench {

namespace {
constexpr Duration kPeriod = std::chrono::milliseconds(250);
constexpr const char* kClearLine = "\r\x1b[K";
}  // namespace

std::string progress_text(const std::string& what, std::uint64_t bytes, std::uint64_t all,
                          double bytes_per_second, const ConnectorStats& stats) {
  const auto gigabytes = [](double count) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.2f", count / 1e9);
    return std::string(text.data());
  };
  std::string text = what + ": " + gigabytes(static_cast<double>(bytes));
  if (all > 0) text += " of " + gigabytes(static_cast<double>(all));
  text += " GB, " + gigabytes(bytes_per_second) + " GB/s, " + std::to_string(stats.requests) +
          " requests, " + std::to_string(stats.connections) + " connections";
  if (stats.retries > 0) text += ", " + std::to_string(stats.retries) + " retries";
  if (stats.throttles > 0) text += ", " + std::to_string(stats.throttles) + " throttles";
  return text + ", limited by " + stats.limited_by;
}

Progress::Progress(bool enabled, std::shared_ptr<const Connector> connector,
                   std::function<std::string()> what, const Counter& bytes, std::uint64_t all)
    : connector_(std::move(connector)),
      what_(std::move(what)),
      bytes_(bytes),
      all_(all),
      begin_bytes_(load(bytes)),
      last_bytes_(begin_bytes_),
      last_at_(system_clock().now()) {
  if (enabled) ticker_.emplace(kPeriod, [this] { draw(); });
}

Progress::~Progress() {
  if (!ticker_) return;
  ticker_.reset();
  std::fputs(kClearLine, stderr);
}

void Progress::draw() {
  const std::uint64_t bytes = load(bytes_);
  const TimePoint now = system_clock().now();
  const double seconds = std::chrono::duration<double>(now - last_at_).count();
  const double rate = seconds > 0 ? static_cast<double>(bytes - last_bytes_) / seconds : 0.0;
  last_bytes_ = bytes;
  last_at_ = now;
  const std::string line =
      kClearLine + progress_text(what_(), bytes - begin_bytes_, all_, rate, connector_->stats());
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace ossmc::bench
