#include "bench/measurement.h"

#include <algorithm>

namespace ossmc::bench {

namespace {

constexpr double kGigabyte = 1e9;

template <typename Source>
void set_four(Record& record, const std::string& name, bool any, const Source& source,
              double scale) {
  const auto set = [&](const char* suffix, double fraction) {
    record.set(name + suffix, any ? Value(source.value_at(fraction) * scale) : Value());
  };
  set("_p50", 0.5);
  set("_p90", 0.9);
  set("_p99", 0.99);
  set("_max", 1.0);
}

Value per(double amount, double of) { return of > 0 ? Value(amount / of) : Value(); }

}  // namespace

void set_percentiles(Record& record, const std::string& name, const HistogramCounts& counts,
                     double scale) {
  set_four(record, name, counts.total() > 0, counts, scale);
}

void set_percentiles(Record& record, const std::string& name, const Samples& samples,
                     double scale) {
  set_four(record, name, samples.count() > 0, samples, scale);
}

void set_syscalls_per(Record& row, const std::string& name, std::uint64_t count) {
  const Value* const all = row.find("syscalls");
  const auto* const syscalls = all == nullptr ? nullptr : std::get_if<std::uint64_t>(all);
  row.set(name, syscalls == nullptr
                    ? Value()
                    : per(static_cast<double>(*syscalls), static_cast<double>(count)));
}

Measurement::Measurement(Meter& meter, const Connector& connector)
    : meter_(meter),
      connector_(connector),
      resident_before_(meter.resident_bytes()),
      peak_is_own_(meter.restart_peak()),
      stats_before_(connector.stats()),
      latencies_before_(connector.chunk_latencies()),
      before_(meter.usage()) {}

double Measurement::seconds() const {
  return std::chrono::duration<double>(system_clock().now() - before_.at).count();
}

Record Measurement::finish(std::uint64_t objects, std::uint64_t bytes) const {
  const Usage after = meter_.usage();
  const ConnectorStats stats = connector_.stats();
  const ChunkLatencies latencies = connector_.chunk_latencies();
  const double seconds = std::chrono::duration<double>(after.at - before_.at).count();
  const double user = after.user_seconds - before_.user_seconds;
  const double system = after.system_seconds - before_.system_seconds;
  const double gigabytes = static_cast<double>(bytes) / kGigabyte;

  Record record;
  record.set("seconds", seconds)
      .set("objects", objects)
      .set("bytes", bytes)
      .set("gigabytes_per_second", per(gigabytes, seconds))
      .set("objects_per_second", per(static_cast<double>(objects), seconds))
      .set("cpu_seconds", user + system)
      .set("user_seconds", user)
      .set("system_seconds", system)
      .set("cpu_seconds_per_gigabyte", per(user + system, gigabytes))
      .set("resident_bytes_before", resident_before_)
      .set("peak_resident_bytes", meter_.peak_bytes())
      .set("peak_is_of", peak_is_own_ ? "this row" : "the process")
      .set("minor_faults", after.minor_faults - before_.minor_faults)
      .set("major_faults", after.major_faults - before_.major_faults)
      .set("voluntary_switches", after.voluntary_switches - before_.voluntary_switches)
      .set("involuntary_switches", after.involuntary_switches - before_.involuntary_switches);
  if (before_.syscalls && after.syscalls) {
    const std::uint64_t syscalls = *after.syscalls - *before_.syscalls;
    record.set("syscalls", syscalls)
        .set("syscalls_per_gigabyte", per(static_cast<double>(syscalls), gigabytes));
  } else {
    record.set("syscalls", {}).set("syscalls_per_gigabyte", {});
  }
  record.set("bytes_received", stats.bytes_received - stats_before_.bytes_received)
      .set("requests", stats.requests - stats_before_.requests)
      .set("retries", stats.retries - stats_before_.retries)
      .set("throttles", stats.throttles - stats_before_.throttles)
      .set("hedges", stats.hedges - stats_before_.hedges)
      .set("refetches", stats.refetches - stats_before_.refetches)
      .set("prefetch_hits", stats.prefetch_hits - stats_before_.prefetch_hits)
      .set("prefetch_misses", stats.prefetch_misses - stats_before_.prefetch_misses)
      .set("chunk_memory_bytes", stats.memory_bytes)
      .set("chunk_memory_peak_bytes_of_connector", stats.memory_peak_bytes)
      .set("connections", stats.connections);
  set_percentiles(record, "chunk_first_byte_ms",
                  latencies.first_byte_us.since(latencies_before_.first_byte_us), 1e-3);
  set_percentiles(record, "chunk_ms", latencies.whole_us.since(latencies_before_.whole_us), 1e-3);
  return record;
}

void Stretches::end() {
  const Usage now = meter_.usage();
  ++count_;
  user_seconds_ += now.user_seconds - began_.user_seconds;
  system_seconds_ += now.system_seconds - began_.system_seconds;
  if (syscalls_ && now.syscalls && began_.syscalls) {
    *syscalls_ += *now.syscalls - *began_.syscalls;
  } else {
    syscalls_.reset();
  }
}

void Stretches::set(Record& row) const {
  const double cpu = user_seconds_ + system_seconds_;
  row.set("cpu_seconds", cpu)
      .set("user_seconds", user_seconds_)
      .set("system_seconds", system_seconds_)
      .set("cpu_ms_per_sample", per(cpu * 1e3, static_cast<double>(count_)))
      .set("syscalls", syscalls_ ? Value(*syscalls_) : Value());
  set_syscalls_per(row, "syscalls_per_sample", count_);
}

std::vector<Column> pass_columns() {
  constexpr double kMebi = 1.0 / (1 << 20);
  return {{"pass", "pass"},
          {"gigabytes_per_second", "GB/s", 2},
          {"seconds", "s", 3},
          {"cpu_seconds_per_gigabyte", "cpu-s/GB", 3},
          {"user_seconds", "user s", 3},
          {"system_seconds", "sys s", 3},
          {"peak_resident_bytes", "peak MiB", 0, kMebi},
          {"minor_faults", "faults"},
          {"voluntary_switches", "switches"},
          {"syscalls_per_gigabyte", "syscalls/GB"},
          {"requests", "requests"},
          {"refetches", "again"},
          {"chunk_first_byte_ms_p50", "first ms", 1},
          {"chunk_ms_p50", "chunk ms", 1},
          {"chunk_ms_p99", "p99 ms", 1},
          {"connections", "conns"}};
}

}  // namespace ossmc::bench
