#include "bench/first_byte.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "bench/percentiles.h"

namespace ossmc::bench {

namespace {

struct Times {
  Samples open_ms;
  Samples total_ms;
};

double ms_since(TimePoint begin) {
  return std::chrono::duration<double, std::milli>(system_clock().now() - begin).count();
}

Status sample(Connector& connector, const std::string& uri, std::vector<std::byte>& buffer,
              Interrupt& interrupt, Times* times) {
  const TimePoint begin = system_clock().now();
  const Result<std::shared_ptr<ObjectReader>> reader = connector.open(uri, interrupt);
  if (!reader.is_ok()) return reader.status();
  const double open_ms = ms_since(begin);
  const Result<std::size_t> size = (*reader)->read_at(0, buffer, interrupt);
  if (!size.is_ok()) return size.status();
  times->open_ms.add(open_ms);
  times->total_ms.add(ms_since(begin));
  return Status::ok();
}

Record row_of(const char* connection, const Times& times) {
  Record row;
  row.set("connection", connection)
      .set("samples", static_cast<std::uint64_t>(times.total_ms.count()));
  set_percentiles(row, "open_ms", times.open_ms, 1.0);
  set_percentiles(row, "open_and_read_ms", times.total_ms, 1.0);
  return row;
}

}  // namespace

Status run_first_byte(Run& run) {
  const Options& options = run.access.options();
  Result<std::shared_ptr<Connector>> warm = run.access.connect();
  if (!warm.is_ok()) return warm.status();
  Result<std::vector<std::string>> uris = run.access.objects(**warm, run.interrupt);
  if (!uris.is_ok()) return uris.status();
  run.report.settings.set("workload", "first-byte")
      .set("bytes", options.first_bytes)
      .set("objects", static_cast<std::uint64_t>(uris->size()));
  add_settings(run, **warm);

  std::vector<std::byte> buffer(static_cast<std::size_t>(options.first_bytes));
  const auto uri = [&](int i) { return (*uris)[static_cast<std::size_t>(i) % uris->size()]; };
  Times cold_times;
  Times warm_times;
  for (int i = 0; i < options.count; ++i) {
    if (run.interrupt.pending()) return {StatusCode::kInterrupted, "interrupted"};
    const Result<std::shared_ptr<Connector>> cold = run.access.connect();
    if (!cold.is_ok()) return cold.status();
    Status status = sample(**cold, uri(i), buffer, run.interrupt, &cold_times);
    (*cold)->close();
    // The reader of the sample before may have been closed in the middle of a reply, and its
    // connections with it.
    if (status.is_ok()) status = (*warm)->stat(uri(i), run.interrupt).status();
    if (status.is_ok()) status = sample(**warm, uri(i), buffer, run.interrupt, &warm_times);
    if (!status.is_ok()) return status;
  }
  run.report.sections.push_back({.name = "connections",
                                 .columns = {{"connection", "connection"},
                                             {"samples", "samples"},
                                             {"open_ms_p50", "open p50 ms", 2},
                                             {"open_ms_p99", "p99", 2},
                                             {"open_and_read_ms_p50", "open+read p50 ms", 2},
                                             {"open_and_read_ms_p90", "p90", 2},
                                             {"open_and_read_ms_p99", "p99", 2},
                                             {"open_and_read_ms_max", "max", 2}},
                                 .rows = {row_of("new", cold_times), row_of("used", warm_times)},
                                 .median = {}});
  return Status::ok();
}

}  // namespace ossmc::bench
