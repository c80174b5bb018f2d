#include "connector/object_flow.h"

#include <algorithm>

namespace ossmc {

namespace {

// Read ahead where nobody has chosen: so much keeps 256 connections of 50 MB/s full at 20 ms. Of a
// smaller budget it is a quarter, so that readers beside have theirs.
constexpr std::uint64_t kMostAheadBytes = 256u << 20;
constexpr std::uint64_t kAheadDivisor = 4;

// Twice as many as run at once: a request starts as soon as one ends.
std::size_t objects_ahead(const Config& config) {
  return 2 * static_cast<std::size_t>(config.workers_at_most()) *
         static_cast<std::size_t>(config.prefetch_vcpus);
}

}  // namespace

Result<std::unique_ptr<ObjectFlow>> ObjectFlow::make(Connector& connector, ReadAhead ahead) {
  Result<std::shared_ptr<Engine>> engine = connector.engine();
  if (!engine.is_ok()) return engine.status();
  const std::uint64_t limit = (*engine)->scheduler().budget()->limit_bytes();
  if (ahead.bytes == 0) ahead.bytes = std::min(kMostAheadBytes, limit / kAheadDivisor);
  if (ahead.objects == 0) ahead.objects = objects_ahead(connector.config());
  return std::unique_ptr<ObjectFlow>(new ObjectFlow(connector, std::move(engine).value(), ahead));
}

Status ObjectFlow::add(const ObjectToOpen& object) {
  Result<ObjectName> name = connector_.checked_name(object.uri, object.version_id);
  if (!name.is_ok()) return name.status();
  read_.add(std::move(name).value(), stream_options(object).listed);
  return Status::ok();
}

}  // namespace ossmc
