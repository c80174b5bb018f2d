#include "bench/small.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "bench/percentiles.h"
#include "bench/progress.h"

namespace ossmc::bench {

namespace {

Status read_whole(ObjectReader& reader, Run& run) {
  Result<CursorLock> cursor = reader.cursor().lock(run.interrupt);
  if (!cursor.is_ok()) return cursor.status();
  while (reader.remaining(*cursor) > 0) {
    const Result<std::size_t> size = drop_chunk(reader, *cursor, run.interrupt);
    if (!size.is_ok()) return size.status();
    add(run.bytes, *size);
  }
  return Status::ok();
}

Result<Record> one_pass(Run& run, const std::shared_ptr<Connector>& connector,
                        const std::vector<std::string>& uris, const std::string& name) {
  const auto batch = static_cast<std::size_t>(run.access.options().batch);
  const Progress progress(run.progress, connector, name, run.bytes, 0);
  const Measurement measurement(run.meter, *connector);
  Samples latency_ms;
  const std::uint64_t bytes_before = load(run.bytes);
  for (std::size_t first = 0; first < uris.size(); first += batch) {
    const auto begin = uris.begin() + static_cast<std::ptrdiff_t>(first);
    const auto end = begin + static_cast<std::ptrdiff_t>(std::min(batch, uris.size() - first));
    std::vector<ObjectToOpen> objects;
    for (auto uri = begin; uri != end; ++uri) objects.push_back({*uri});
    const TimePoint opened = system_clock().now();
    const auto readers = connector->open_many(objects, run.interrupt);
    if (!readers.is_ok()) return readers.status();
    for (const std::shared_ptr<ObjectReader>& reader : *readers) {
      const Status status = read_whole(*reader, run);
      if (!status.is_ok()) return status;
      latency_ms.add(
          std::chrono::duration<double, std::milli>(system_clock().now() - opened).count());
      reader->close();
    }
  }
  Record row = measurement.finish(uris.size(), load(run.bytes) - bytes_before);
  set_percentiles(row, "object_ms", latency_ms, 1.0);
  const Value* const cpu = row.find("cpu_seconds");
  if (const double* const seconds = std::get_if<double>(cpu))
    row.set("cpu_ms_per_object", *seconds * 1e3 / static_cast<double>(uris.size()));
  set_syscalls_per(row, "syscalls_per_object", uris.size());
  return row;
}

}  // namespace

Status run_small(Run& run) {
  Result<std::shared_ptr<Connector>> connector = run.access.connect();
  if (!connector.is_ok()) return connector.status();
  const Result<std::vector<std::string>> uris = run.access.objects(**connector, run.interrupt);
  if (!uris.is_ok()) return uris.status();
  run.report.settings.set("workload", "small")
      .set("objects", static_cast<std::uint64_t>(uris->size()))
      .set("batch", static_cast<std::uint64_t>(run.access.options().batch));
  add_settings(run, **connector);
  return run_passes(run,
                    [&](const std::string& name) { return one_pass(run, *connector, *uris, name); },
                    {{"pass", "pass"},
                     {"objects_per_second", "objects/s", 0},
                     {"seconds", "s", 3},
                     {"bytes", "MB", 1, 1e-6},
                     {"cpu_ms_per_object", "cpu-ms/object", 3},
                     {"object_ms_p50", "p50 ms", 2},
                     {"object_ms_p90", "p90 ms", 2},
                     {"object_ms_p99", "p99 ms", 2},
                     {"object_ms_max", "max ms", 2},
                     {"peak_resident_bytes", "peak MiB", 0, 1.0 / (1 << 20)},
                     {"syscalls_per_object", "syscalls/object", 1},
                     {"requests", "requests"},
                     {"connections", "connections"}});
}

}  // namespace ossmc::bench
