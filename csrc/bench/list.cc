#include "bench/list.h"

#include "bench/progress.h"

namespace ossmc::bench {

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
    const Result<ObjectColumns> listed =
        (*connector)->list(options.bucket, options.prefix, options.fast, run.interrupt);
    if (!listed.is_ok()) return listed.status();
    Record row = measurement.finish(listed->size(), 0);
    const double keys = static_cast<double>(listed->size());
    const double cpu = std::get<double>(*row.find("cpu_seconds"));
    row.set("cpu_us_per_key", keys > 0 ? Value(cpu * 1e6 / keys) : Value())
        .set("bytes_in_memory", static_cast<std::uint64_t>(listed->heap_bytes()));
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
                     {"peak_resident_bytes", "peak MiB", 0, 1.0 / (1 << 20)}});
}

}  // namespace ossmc::bench
