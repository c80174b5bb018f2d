#include "bench/run.h"

#include <utility>

#include "connector/config.h"

namespace ossmc::bench {

void add_settings(Run& run, const Connector& connector) {
  const Config& config = run.access.config();
  run.report.settings.set("version", OSSMC_VERSION)
      .set("endpoint", connector.endpoint_text())
      .set("threads", static_cast<std::uint64_t>(config.prefetch_vcpus))
      .set("workers", config.prefetch_workers
                          ? Value(static_cast<std::uint64_t>(*config.prefetch_workers))
                          : Value("auto"))
      .set("chunk_bytes", config.chunk_bytes(connector.stats().memory_limit_bytes))
      .set("memory_bytes", connector.stats().memory_limit_bytes)
      .set("verify_crc64", config.verify_crc64)
      .set("cpus", static_cast<std::uint64_t>(read_machine_facts().usable_cpus));
  if (const std::string& why = run.meter.why_no_syscalls(); !why.empty())
    run.report.notes.push_back("system calls: not counted: " + why);
}

Status run_passes(Run& run, const Pass& pass, std::vector<Column> columns) {
  const Options& options = run.access.options();
  run.report.settings.set("warmup", static_cast<std::uint64_t>(options.warmup))
      .set("passes", static_cast<std::uint64_t>(options.passes));
  Section section{.name = "passes", .columns = std::move(columns), .rows = {}, .median = {}};
  for (int i = 0; i < options.warmup; ++i) {
    const Result<Record> row =
        pass("warm-up " + std::to_string(i + 1) + "/" + std::to_string(options.warmup));
    if (!row.is_ok()) return row.status();
  }
  for (int i = 1; i <= options.passes; ++i) {
    Result<Record> row = pass("pass " + std::to_string(i) + "/" + std::to_string(options.passes));
    if (!row.is_ok()) return row.status();
    Record numbered;
    numbered.set("pass", static_cast<std::uint64_t>(i));
    for (const auto& [name, value] : row->fields()) numbered.set(name, value);
    section.rows.push_back(std::move(numbered));
  }
  section.median = median_of(section.rows);
  run.report.sections.push_back(std::move(section));
  return Status::ok();
}

Result<std::size_t> drop_chunk(ObjectReader& reader, CursorLock& cursor, Interrupt& interrupt) {
  const Result<std::shared_ptr<ChunkView>> chunk = reader.next_chunk(cursor, interrupt);
  if (!chunk.is_ok()) return chunk.status();
  return *chunk == nullptr ? 0 : (*chunk)->bytes().size();
}

}  // namespace ossmc::bench
