// Progress: one line on standard error that tells how far a run is, drawn over itself.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/counters.h"
#include "bench/ticker.h"
#include "connector/connector.h"

namespace ossmc::bench {

// The line's text. `bytes` and `all` in bytes (all 0: no end is known).
std::string progress_text(const std::string& what, std::uint64_t bytes, std::uint64_t all,
                          double bytes_per_second, const ConnectorStats& stats);

// Shown from its construction to its destruction, when the line is cleared; nothing at all when it
// is not `enabled`. Costs a thread that looks at stats() four times a second.
class Progress {
 public:
  // `what` goes before the figures; `bytes` counts those read, and outlives it; `all`: to be read.
  Progress(bool enabled, std::shared_ptr<const Connector> connector, std::string what,
           const Counter& bytes, std::uint64_t all)
      : Progress(
            enabled, std::move(connector), [what = std::move(what)] { return what; }, bytes, all) {}
  // For what changes: asked at each drawing, by the thread that draws.
  Progress(bool enabled, std::shared_ptr<const Connector> connector,
           std::function<std::string()> what, const Counter& bytes, std::uint64_t all);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  void draw();

  const std::shared_ptr<const Connector> connector_;
  const std::function<std::string()> what_;
  const Counter& bytes_;
  const std::uint64_t all_;
  const std::uint64_t begin_bytes_;
  // The ticker's thread.
  std::uint64_t last_bytes_;
  TimePoint last_at_;
  std::optional<Ticker> ticker_;  // last: it uses the others
};

}  // namespace ossmc::bench
