// Measurement: a stretch of work, and what the process and a connector spent on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "bench/meter.h"
#include "bench/percentiles.h"
#include "bench/report.h"
#include "connector/connector.h"

namespace ossmc::bench {

// Begins with its construction. One thread.
class Measurement {
 public:
  // Both outlive it.
  Measurement(Meter& meter, const Connector& connector);

  // What was spent since, on so much work. Connections are those open now.
  Record finish(std::uint64_t objects, std::uint64_t bytes) const;
  double seconds() const;

 private:
  Meter& meter_;
  const Connector& connector_;
  std::uint64_t resident_before_;
  bool peak_is_own_;
  ConnectorStats stats_before_;
  ChunkLatencies latencies_before_;
  Usage before_;  // last: the others are not part of what is measured
};

// Short stretches of work between others: what all of them cost together. One thread.
class Stretches {
 public:
  // It outlives this.
  explicit Stretches(const Meter& meter) : meter_(meter) {}

  void begin() { began_ = meter_.usage(); }
  void end();
  // CPU and system calls, and for each of the stretches.
  void set(Record& row) const;

 private:
  const Meter& meter_;
  Usage began_;
  std::uint64_t count_ = 0;
  double user_seconds_ = 0.0;
  double system_seconds_ = 0.0;
  std::optional<std::uint64_t> syscalls_ = 0;
};

// Fields <name>_p50, _p90, _p99 and _max; nothing where there is no value. `scale` as in Column.
void set_percentiles(Record& record, const std::string& name, const HistogramCounts& counts,
                     double scale);
void set_percentiles(Record& record, const std::string& name, const Samples& samples, double scale);

// The row's system calls for each of so many; nothing where they were not counted.
void set_syscalls_per(Record& row, const std::string& name, std::uint64_t count);

// Of a table of passes: what is said of any work over chunks.
std::vector<Column> pass_columns();

}  // namespace ossmc::bench
