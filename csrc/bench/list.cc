#include "bench/list.h"

#include <memory>
#include <utility>

#include "bench/percentiles.h"
#include "bench/progress.h"

namespace ossmc::bench {

namespace {

// All of it, as Connector::list does; and how long each page took. Of a fast listing, where many
// are on their way at once, that is not seen from here.
Result<ObjectColumns> list_all_pages(Connector& connector, const Options& options,
                                     Interrupt& interrupt, Samples* page_ms) {
  const Result<std::unique_ptr<ObjectListing>> listing =
      connector.start_list(options.bucket, options.prefix, options.fast);
  if (!listing.is_ok()) return listing.status();
  ObjectColumns rows;
  while (true) {
    const TimePoint begin = system_clock().now();
    const Result<bool> any = (*listing)->next_rows(rows, interrupt);
    if (!any.is_ok()) return any.status();
    if (!*any) break;
    if (options.fast) continue;
    page_ms->add(std::chrono::duration<double, std::milli>(system_clock().now() - begin).count());
  }
  rows.shrink_to_fit();
  return rows;
}

}  // namespace

Status run_list(Run& run) {
  const Options& options = run.access.options();
  const Result<std::shared_ptr<Connector>> connector = run.access.connect();
  if (!connector.is_ok()) return connector.status();
  run.report.settings.set("workload", "list")
      .set("bucket", options.bucket)
      .set("prefix", options.prefix)
      .set("fast", options.fast);
  add_settings(run, **connector);
  const auto pass = [&](const std::string& name) -> Result<Record> {
    const Progress progress(run.progress, *connector, name, run.bytes, 0);
    const Measurement measurement(run.meter, **connector);
    Samples page_ms;
    const Result<ObjectColumns> listed =
        list_all_pages(**connector, options, run.interrupt, &page_ms);
    if (!listed.is_ok()) return listed.status();
    Record row = measurement.finish(listed->size(), 0);
    const double keys = static_cast<double>(listed->size());
    const double cpu = std::get<double>(*row.find("cpu_seconds"));
    row.set("cpu_us_per_key", keys > 0 ? Value(cpu * 1e6 / keys) : Value())
        .set("bytes_in_memory", static_cast<std::uint64_t>(listed->heap_bytes()));
    set_percentiles(row, "page_ms", page_ms, 1.0);
    set_syscalls_per(row, "syscalls_per_key", listed->size());
    return row;
  };
  return run_passes(run, pass,
                    {{"pass", "pass"},
                     {"objects", "keys"},
                     {"objects_per_second", "keys/s", 0},
                     {"seconds", "s", 3},
                     {"cpu_us_per_key", "cpu-us/key", 2},
                     {"requests", "requests"},
                     {"retries", "retries"},
                     {"page_ms_p50", "page p50 ms", 1},
                     {"page_ms_p99", "p99", 1},
                     {"page_ms_max", "max", 1},
                     {"peak_resident_bytes", "peak MiB", 0, 1.0 / (1 << 20)}});
}

}  // namespace ossmc::bench
