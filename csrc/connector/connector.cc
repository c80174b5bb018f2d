#include "connector/connector.h"

#include <algorithm>
#include <utility>

#include "auth/signature_choice.h"
#include "base/log.h"
#include "connector/log_files.h"
#include "connector/memory_arbiter.h"
#include "prefetch/object_open.h"
#include "protocol/any_date.h"
#include "transfer/tls_roots.h"

namespace ossmc {

namespace {

// Before there is a budget. In a forked child the first call measures, which takes a millisecond.
std::uint64_t memory_limit_of(const Config& config) {
  if (config.prefetch_memory_bytes) return *config.prefetch_memory_bytes;
  return std::max(MemoryArbiter::of_process().budget()->limit_bytes(),
                  kMinMemoryChunks * config.least_chunk_bytes());
}

std::string memory_text(const Config& config) {
  const std::string bytes = std::to_string(memory_limit_of(config)) + " bytes of chunk memory";
  if (config.prefetch_memory_bytes) return "budget of " + bytes + " of its own";
  return "budget of " + bytes + " that the process's connectors share (" +
         MemoryArbiter::of_process().reason() + ")";
}

Status connector_closed() {
  return Status(StatusCode::kClosed, "the connector is closed: make a new one");
}

}  // namespace

StreamOptions stream_options(const ObjectToOpen& object) {
  StreamOptions options;
  options.prefetches = object.prefetches;
  const bool can_pin = object.listed && is_opaque_etag(object.listed->etag) &&
                       !object.listed->etag.starts_with("W/");
  if (can_pin) options.listed = object.listed;
  options.is_confirmed = object.is_confirmed;
  return options;
}

Result<std::shared_ptr<Connector>> Connector::make(std::string_view endpoint_text,
                                                   std::string_view region, Config config,
                                                   std::shared_ptr<CredentialsCache> credentials) {
  Result<Endpoint> endpoint = parse_endpoint(endpoint_text);
  if (!endpoint.is_ok()) return endpoint.status();
  RequestBuilderOptions options;
  options.endpoint = *endpoint;
  options.addressing = config.addressing.value_or(default_addressing(*endpoint));
  const Status fits = check_addressing(*endpoint, options.addressing);
  if (!fits.is_ok()) return fits;
  bool lacks_region = false;
  Result<SigningOptions> signing =
      choose_signature(*endpoint, options.addressing, region, &lacks_region);
  if (credentials->is_anonymous() && region.empty()) {
    // Nothing is signed, so no region is needed and no warning either.
    lacks_region = false;
    if (!signing.is_ok()) {
      SigningOptions unused;
      unused.version = SignatureVersion::kV1;
      signing = unused;
    }
  }
  if (!signing.is_ok()) return signing.status();
  options.signing = std::move(signing).value();
  options.extra_headers = config.headers;
  if (!config.tls_ca_file.empty() || !config.tls_ca_path.empty()) {
    const auto roots = find_tls_roots(config.tls_ca_file, config.tls_ca_path);
    if (!roots.is_ok()) return roots.status();
  }
  // Chosen now, if it was not yet: the limit is told before the first request.
  if (!config.prefetch_memory_bytes) MemoryArbiter::of_process().look();
  return std::shared_ptr<Connector>(
      new Connector(std::move(config), std::move(options), lacks_region, std::move(credentials)));
}

Connector::Connector(Config config, RequestBuilderOptions request_options, bool lacks_region,
                     std::shared_ptr<CredentialsCache> credentials)
    : config_(std::move(config)),
      request_options_(std::move(request_options)),
      lacks_region_(lacks_region),
      live_(std::make_unique<Live>(std::move(credentials))) {}

Connector::~Connector() { close(); }

void Connector::close() {
  if (closed_.exchange(true)) return;
  // Kept: stats() goes on to tell what was counted.
  Engine* const engine = live_->running;
  if (engine != nullptr) engine->shutdown();
}

Result<std::shared_ptr<Engine>> Connector::engine() {
  MutexLock lock(live_->starting);
  if (is_closed()) return connector_closed();
  if (live_->engine != nullptr) return live_->engine;
  auto engine = std::make_shared<Engine>(config_, request_options_, live_->credentials);
  const Status status = engine->start();
  if (!status.is_ok()) return status;
  LogFiles::of_process().start();
  live_->engine = engine;
  live_->running = engine.get();
  if (is_closed()) {  // meanwhile; close() may not have seen the engine
    engine->shutdown();
    return connector_closed();
  }
  process_log().write(LogLevel::kInfo, "connector for " + endpoint_text() +
                                           " started: " + std::to_string(config_.prefetch_vcpus) +
                                           " I/O threads, " + memory_text(config_) +
                                           ", chunks of " + std::to_string(engine->chunk_bytes()) +
                                           " bytes");
  return engine;
}

ReadOptions Connector::read_options(bool sequential) const {
  return {.progress_limit = config_.read_timeout, .sequential = sequential, .pieces = true};
}

Result<ObjectName> Connector::checked_name(std::string_view uri,
                                           std::string_view version_id) const {
  Result<ObjectName> name = parse_object_uri(uri);
  if (!name.is_ok()) return name;
  Status status = check_endpoint_for_bucket(request_options_.endpoint, request_options_.addressing,
                                            name->bucket);
  if (status.is_ok() && !version_id.empty()) status = check_version_id(version_id);
  if (!status.is_ok()) return status;
  name->version_id = version_id;
  return name;
}

Result<std::shared_ptr<ObjectReader>> Connector::open(const ObjectToOpen& object,
                                                      Interrupt& interrupt) {
  Result<std::vector<std::shared_ptr<ObjectReader>>> readers = open_many({object}, interrupt);
  if (!readers.is_ok()) return readers.status();
  return std::move(readers->front());
}

Result<std::vector<std::shared_ptr<ObjectReader>>> Connector::open_many(
    const std::vector<ObjectToOpen>& objects, Interrupt& interrupt) {
  Result<OpenedStreams> streams = open_streams(objects, interrupt);
  if (!streams.is_ok()) return streams.status();
  std::vector<std::shared_ptr<ObjectReader>> readers;
  readers.reserve(objects.size());
  for (const auto& stream : streams->all())
    readers.push_back(
        std::make_shared<ObjectReader>(shared_from_this(), streams->scheduler(), stream));
  streams->hand_over();
  return readers;
}

Result<std::unique_ptr<ObjectRanges>> Connector::open_ranges(
    const std::vector<ObjectToOpen>& objects, Interrupt& interrupt) {
  Result<OpenedStreams> streams = open_streams(objects, interrupt);
  if (!streams.is_ok()) return streams.status();
  return std::make_unique<ObjectRanges>(std::move(streams).value(), read_options(false));
}

Result<OpenedStreams> Connector::open_streams(const std::vector<ObjectToOpen>& objects,
                                              Interrupt& interrupt) {
  std::vector<ObjectName> names;
  names.reserve(objects.size());
  for (const ObjectToOpen& object : objects) {
    Result<ObjectName> name = checked_name(object.uri, object.version_id);
    if (!name.is_ok()) return name.status();
    names.push_back(std::move(name).value());
  }
  Result<std::shared_ptr<Engine>> engine = this->engine();
  if (!engine.is_ok()) return engine.status();
  OpenedStreams streams(std::move(engine).value());
  for (std::size_t i = 0; i < names.size(); ++i)
    streams.open(std::move(names[i]), stream_options(objects[i]));
  const Status status = streams.wait(config_.read_timeout, interrupt);
  if (!status.is_ok()) return status;
  return streams;
}

Result<ObjectStat> Connector::stat(std::string_view uri, std::string_view version_id,
                                   Interrupt& interrupt) {
  Result<ObjectName> name = checked_name(uri, version_id);
  if (!name.is_ok()) return name.status();
  Result<std::shared_ptr<Engine>> engine = this->engine();
  if (!engine.is_ok()) return engine.status();
  Result<ObjectVersion> version =
      head_object((*engine)->scheduler(), *name, config_.read_timeout, interrupt);
  if (!version.is_ok()) return version.status();
  ObjectStat stat;
  stat.key = name->key;
  stat.size = version->size;
  stat.etag = version->etag;
  stat.last_modified_unix = parse_any_date(version->last_modified).value_or(0.0);
  stat.storage_class = version->storage_class.empty() ? "Standard" : version->storage_class;
  stat.version_id = version->version_id;
  return stat;
}

Result<std::unique_ptr<ObjectListing>> Connector::start_list(std::string_view bucket,
                                                             std::string_view prefix, bool fast,
                                                             std::string_view delimiter) {
  if (fast && !delimiter.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "fast=True lists all keys below the prefix, so it takes no delimiter: leave out "
                  "one of the two");
  }
  Status status = check_bucket_name(bucket);
  if (status.is_ok()) status = check_list_prefix(prefix);
  if (status.is_ok())
    status =
        check_endpoint_for_bucket(request_options_.endpoint, request_options_.addressing, bucket);
  if (!status.is_ok()) return status;
  Result<std::shared_ptr<Engine>> engine = this->engine();
  if (!engine.is_ok()) return engine.status();
  Result<SmallRequestQueue*> queue = (*engine)->list_queue();
  if (!queue.is_ok()) return queue.status();
  ListingOptions options{.bucket = std::string(bucket),
                         .prefix = std::string(prefix),
                         .delimiter = std::string(delimiter),
                         .fast = fast,
                         .slots = config_.fast_list_vcpus * config_.fast_list_workers,
                         .page_limit = config_.read_timeout};
  return std::make_unique<ObjectListing>(*engine, **queue, std::move(options));
}

Result<ObjectColumns> Connector::list(std::string_view bucket, std::string_view prefix, bool fast,
                                      Interrupt& interrupt) {
  Result<std::unique_ptr<ObjectListing>> listing = start_list(bucket, prefix, fast);
  if (!listing.is_ok()) return listing.status();
  return list_all(**listing, interrupt);
}

ConnectorStats Connector::stats() const {
  ConnectorStats stats;
  Engine* const engine = live_->running;
  stats.memory_limit_bytes =
      engine != nullptr ? engine->scheduler().budget()->limit_bytes() : memory_limit_of(config_);
  if (engine == nullptr) return stats;
  const Counters& counters = engine->counters();
  stats.bytes_received = load(counters.bytes_received);
  stats.bytes_read = load(counters.bytes_read);
  stats.requests = load(counters.requests);
  stats.retries = load(counters.retries);
  stats.throttles = load(counters.throttles);
  stats.hedges = load(counters.hedges);
  stats.refetches = load(counters.refetches);
  stats.prefetch_hits = load(counters.prefetch_hits);
  stats.prefetch_misses = load(counters.prefetch_misses);
  stats.memory_bytes = engine->scheduler().memory_bytes();
  stats.memory_peak_bytes = engine->scheduler().budget()->peak_bytes();
  stats.connections = load(counters.connections);
  stats.limited_by = limited_by();
  return stats;
}

ArrivedBytes Connector::arrived() const {
  Engine* const engine = live_->running;
  return engine == nullptr ? ArrivedBytes() : engine->scheduler().arrived();
}

std::string_view Connector::limited_by() const {
  Engine* const engine = live_->running;
  return engine == nullptr ? "idle" : engine->scheduler().limited_by();
}

std::uint64_t Connector::bytes_per_round_trip() const {
  const Engine* const engine = live_->running;
  return engine == nullptr ? 0 : engine->counters().line.bytes_per_round_trip();
}

double Connector::clock_offset_seconds() const {
  const Engine* const engine = live_->running;
  return engine == nullptr ? 0.0 : engine->clock_offset_seconds();
}

ChunkLatencies Connector::chunk_latencies() const {
  const Engine* const engine = live_->running;
  if (engine == nullptr) return {};
  const Counters& counters = engine->counters();
  return {counters.chunk_first_byte_us.counts(), counters.chunk_whole_us.counts()};
}

void Connector::after_fork_in_child(std::shared_ptr<CredentialsCache> credentials) {
  // Leaked on purpose: threads, sockets and held locks stayed in the parent.
  static_cast<void>(live_.release());
  live_ = std::make_unique<Live>(std::move(credentials));
}

}  // namespace ossmc
