#include "bench/first_byte.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "bench/measurement.h"
#include "bench/percentiles.h"
#include "bench/progress.h"

namespace ossmc::bench {

namespace {

struct Times {
  explicit Times(const Meter& meter) : spent(meter) {}
  Stretches spent;
  Samples open_ms;
  Samples total_ms;
};

double ms_since(TimePoint begin) {
  return std::chrono::duration<double, std::milli>(system_clock().now() - begin).count();
}

Status sample(Run& run, Connector& connector, const std::string& uri,
              std::vector<std::byte>& buffer, Times* times) {
  const TimePoint begin = system_clock().now();
  const Result<std::shared_ptr<ObjectReader>> reader = connector.open({uri}, run.interrupt);
  if (!reader.is_ok()) return reader.status();
  const double open_ms = ms_since(begin);
  const Result<std::size_t> size = (*reader)->read_at(0, buffer, run.interrupt);
  if (!size.is_ok()) return size.status();
  add(run.bytes, *size);
  times->open_ms.add(open_ms);
  times->total_ms.add(ms_since(begin));
  return Status::ok();
}

Record row_of(const char* connection, const Times& times, std::uint64_t peak_bytes) {
  Record row;
  row.set("connection", connection)
      .set("samples", static_cast<std::uint64_t>(times.total_ms.count()));
  set_percentiles(row, "open_ms", times.open_ms, 1.0);
  set_percentiles(row, "open_and_read_ms", times.total_ms, 1.0);
  times.spent.set(row);
  row.set("peak_resident_bytes", peak_bytes);
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
  Times cold_times(run.meter);
  Times warm_times(run.meter);
  Counter samples{0};
  const Progress progress(
      run.progress, *warm,
      [&] {
        return "sample " + std::to_string(load(samples)) + "/" + std::to_string(options.count);
      },
      run.bytes, 0);
  static_cast<void>(run.meter.restart_peak());
  for (int i = 0; i < options.count; ++i) {
    if (run.interrupt.pending()) return {StatusCode::kInterrupted, "interrupted"};
    add(samples);
    cold_times.spent.begin();
    const Result<std::shared_ptr<Connector>> cold = run.access.connect();
    if (!cold.is_ok()) return cold.status();
    Status status = sample(run, **cold, uri(i), buffer, &cold_times);
    (*cold)->close();
    cold_times.spent.end();
    // The reader of the sample before may have been closed in the middle of a reply, and its
    // connections with it.
    if (status.is_ok()) status = (*warm)->stat(uri(i), "", run.interrupt).status();
    warm_times.spent.begin();
    if (status.is_ok()) status = sample(run, **warm, uri(i), buffer, &warm_times);
    warm_times.spent.end();
    if (!status.is_ok()) return status;
  }
  const std::uint64_t peak_bytes = run.meter.peak_bytes();  // of both: they take turns
  run.report.sections.push_back(
      {.name = "connections",
       .columns = {{"connection", "connection"},
                   {"samples", "samples"},
                   {"open_ms_p50", "open p50 ms", 2},
                   {"open_ms_p99", "p99", 2},
                   {"open_and_read_ms_p50", "open+read p50 ms", 2},
                   {"open_and_read_ms_p90", "p90", 2},
                   {"open_and_read_ms_p99", "p99", 2},
                   {"open_and_read_ms_max", "max", 2},
                   {"cpu_ms_per_sample", "cpu-ms/sample", 3},
                   {"syscalls_per_sample", "syscalls/sample", 1},
                   {"peak_resident_bytes", "peak MiB", 0, 1.0 / (1 << 20)}},
       .rows = {row_of("new", cold_times, peak_bytes), row_of("used", warm_times, peak_bytes)},
       .median = {}});
  return Status::ok();
}

}  // namespace ossmc::bench
