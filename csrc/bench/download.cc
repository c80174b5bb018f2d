#include "bench/download.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/progress.h"
#include "bench/ticker.h"

namespace ossmc::bench {

namespace {

using Readers = std::vector<std::shared_ptr<ObjectReader>>;

class Download {
 public:
  Download(Run& run, std::shared_ptr<Connector> connector, std::vector<std::string> uris)
      : run_(run), options_(run.access.options()), connector_(std::move(connector)) {
    for (std::string& uri : uris) objects_.push_back({std::move(uri)});
    if (options_.into == Into::kBuffer)
      buffer_.resize(static_cast<std::size_t>(options_.read_bytes));
  }

  Result<Record> pass(const std::string& name) {
    const Progress progress(run_.progress, connector_, name, run_.bytes, known_bytes_);
    const Measurement measurement(run_.meter, *connector_);
    const std::uint64_t before = load(run_.bytes);
    // Those of the pass before are closed after this one: so the chunks serve again, as they do in
    // the middle of a long read, and a pass does not begin with fresh memory.
    const Readers before_this = std::exchange(readers_, {});
    Status status = open_all(&readers_);
    for (std::shared_ptr<ObjectReader>& reader : readers_) {
      if (status.is_ok()) status = read(reader);
    }
    if (!status.is_ok()) return status;
    known_bytes_ = load(run_.bytes) - before;
    Record row = measurement.finish(objects_.size(), known_bytes_);
    kept_.clear();
    return row;
  }

  // Rounds over all objects until the time is over. The next round is opened when the last object
  // of this one is begun, so that fetching never runs dry between rounds.
  Status rounds_until(TimePoint deadline, std::uint64_t* objects) {
    deadline_ = deadline;
    Readers next;
    Status status = open_all(&next);
    while (status.is_ok() && !is_over()) {
      Readers readers = std::exchange(next, {});
      for (std::shared_ptr<ObjectReader>& reader : readers) {
        if (reader == readers.back()) status = open_all(&next);
        if (status.is_ok()) status = read(reader);
        reader.reset();
        if (!status.is_ok() || is_over()) return status;
        ++*objects;
      }
      kept_.clear();
    }
    return status;
  }

 private:
  bool is_over() const { return deadline_ && system_clock().now() >= *deadline_; }

  Status open_all(Readers* readers) {
    Result<Readers> opened = connector_->open_many(objects_, run_.interrupt);
    if (!opened.is_ok()) return opened.status();
    *readers = std::move(opened).value();
    return Status::ok();
  }

  // Reads the object; of one that is kept there is only the view then. Stops early when the time is
  // over.
  Status read(std::shared_ptr<ObjectReader>& reader) {
    if (options_.into == Into::kKeep) {
      Result<std::shared_ptr<ObjectView>> view = reader->view(run_.interrupt);
      if (!view.is_ok()) return view.status();
      add(run_.bytes, (*view)->size());
      kept_.push_back(std::move(view).value());
      reader.reset();
      return Status::ok();
    }
    {
      Result<CursorLock> cursor = reader->cursor().lock(run_.interrupt);
      if (!cursor.is_ok()) return cursor.status();
      while (reader->remaining(*cursor) > 0 && !is_over()) {
        const Result<std::size_t> size = options_.into == Into::kBuffer
                                             ? reader->read(*cursor, buffer_, run_.interrupt)
                                             : drop_chunk(*reader, *cursor, run_.interrupt);
        if (!size.is_ok()) return size.status();
        add(run_.bytes, *size);
      }
    }
    return Status::ok();
  }

  Run& run_;
  const Options& options_;
  const std::shared_ptr<Connector> connector_;
  std::vector<ObjectToOpen> objects_;  // constant after construction
  std::vector<std::byte> buffer_;
  Readers readers_;  // of the last pass
  std::vector<std::shared_ptr<ObjectView>> kept_;
  std::uint64_t known_bytes_ = 0;  // what a pass has read; 0: none has been made
  std::optional<TimePoint> deadline_;
};

// A row for every second, taken by a thread of its own.
class Seconds {
 public:
  Seconds(const Run& run, std::shared_ptr<Connector> connector)
      : meter_(run.meter),
        bytes_(run.bytes),
        connector_(std::move(connector)),
        stats_(connector_->stats()),
        last_bytes_(load(bytes_)),
        usage_(meter_.usage()) {
    ticker_.emplace(std::chrono::seconds(1), [this] { add_row(); });
  }

  std::vector<Record> stop() {
    ticker_.reset();
    return std::move(rows_);
  }

 private:
  void add_row() {
    const ConnectorStats stats = connector_->stats();
    const Usage usage = meter_.usage();
    const double seconds = std::chrono::duration<double>(usage.at - usage_.at).count();
    const std::uint64_t bytes = load(bytes_);
    const double read = static_cast<double>(bytes - last_bytes_);
    const double received = static_cast<double>(stats.bytes_received - stats_.bytes_received);
    rows_.emplace_back()
        .set("second", static_cast<std::uint64_t>(rows_.size()))
        .set("gigabytes_per_second", read / seconds / 1e9)
        .set("received_gigabytes_per_second", received / seconds / 1e9)
        .set("cpu_seconds", usage.user_seconds - usage_.user_seconds + usage.system_seconds -
                                usage_.system_seconds)
        .set("connections", stats.connections)
        .set("limited_by", stats.limited_by)
        .set("requests", stats.requests - stats_.requests)
        .set("retries", stats.retries - stats_.retries)
        .set("throttles", stats.throttles - stats_.throttles)
        .set("chunk_memory_bytes", stats.memory_bytes);
    stats_ = stats;
    last_bytes_ = bytes;
    usage_ = usage;
  }

  Meter& meter_;
  const Counter& bytes_;
  const std::shared_ptr<Connector> connector_;
  // The ticker's thread, until stop().
  ConnectorStats stats_;
  std::uint64_t last_bytes_;
  Usage usage_;
  std::vector<Record> rows_;
  std::optional<Ticker> ticker_;  // last: it uses the others
};

Status run_seconds(Run& run, Download& download, const std::shared_ptr<Connector>& connector) {
  const Options& options = run.access.options();
  run.report.settings.set("warmup", static_cast<std::uint64_t>(options.warmup))
      .set("seconds", options.seconds);
  for (int i = 0; i < options.warmup; ++i) {
    Status status = download.pass("warm-up").status();
    if (!status.is_ok()) return status;
  }
  const Progress progress(run.progress, connector, "reading", run.bytes, 0);
  const Measurement measurement(run.meter, *connector);
  Seconds seconds(run, connector);
  const std::uint64_t before = load(run.bytes);
  std::uint64_t objects = 0;
  Status status =
      download.rounds_until(system_clock().now() + seconds_to_duration(options.seconds), &objects);
  Record total = measurement.finish(objects, load(run.bytes) - before);
  std::vector<Record> rows = seconds.stop();
  if (!status.is_ok()) return status;
  run.report.sections.push_back({.name = "seconds",
                                 .columns = {{"second", "second"},
                                             {"gigabytes_per_second", "GB/s", 2},
                                             {"received_gigabytes_per_second", "received", 2},
                                             {"cpu_seconds", "cpu s", 2},
                                             {"connections", "connections"},
                                             {"limited_by", "limited by"},
                                             {"requests", "requests"},
                                             {"retries", "retries"},
                                             {"throttles", "throttles"}},
                                 .rows = std::move(rows),
                                 .median = {}});
  std::vector<Column> columns = pass_columns();
  columns.erase(columns.begin());
  run.report.sections.push_back(
      {.name = "total", .columns = std::move(columns), .rows = {std::move(total)}, .median = {}});
  return Status::ok();
}

std::string_view name_of(Into into) {
  switch (into) {
    case Into::kDrop:
      return "drop";
    case Into::kKeep:
      return "keep";
    case Into::kBuffer:
      break;
  }
  return "buffer";
}

}  // namespace

Status run_download(Run& run) {
  const Options& options = run.access.options();
  Result<std::shared_ptr<Connector>> connector = run.access.connect();
  if (!connector.is_ok()) return connector.status();
  Result<std::vector<std::string>> uris = run.access.objects(**connector, run.interrupt);
  if (!uris.is_ok()) return uris.status();
  run.report.settings.set("workload", "download").set("into", std::string(name_of(options.into)));
  if (options.into == Into::kBuffer) run.report.settings.set("read_bytes", options.read_bytes);
  run.report.settings.set("objects", static_cast<std::uint64_t>(uris->size()));
  add_settings(run, **connector);
  Download download(run, *connector, std::move(uris).value());
  if (options.seconds > 0) return run_seconds(run, download, *connector);
  return run_passes(
      run, [&](const std::string& name) { return download.pass(name); }, pass_columns());
}

}  // namespace ossmc::bench
