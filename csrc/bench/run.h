// What all workloads are given, and what they have in common.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/counters.h"
#include "base/status.h"
#include "base/wait.h"
#include "bench/access.h"
#include "bench/measurement.h"
#include "bench/meter.h"
#include "bench/report.h"
#include "connector/connector.h"

namespace ossmc::bench {

// One run of the program. Its parts outlive it.
struct Run {
  const Access& access;
  Meter& meter;
  Interrupt& interrupt;
  bool progress;     // show it
  Counter bytes{0};  // read so far; any thread may look
  Report report;
};

// Adds what every workload says of its settings.
void add_settings(Run& run, const Connector& connector);

// Reads to the end of the chunk and drops its bytes. How many there were; 0: the object's end.
Result<std::size_t> drop_chunk(ObjectReader& reader, CursorLock& cursor, Interrupt& interrupt);

// One pass: does the work and returns its row.
using Pass = std::function<Result<Record>(const std::string& name)>;

// The options' warm-up passes, then the passes that count, a row each, and their median.
Status run_passes(Run& run, const Pass& pass, std::vector<Column> columns);

}  // namespace ossmc::bench
