// Whatever stands in a configuration file, or is given in its place.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "connector/config.h"
#include "require.h"

namespace {

void check(const ossmc::Result<ossmc::Config>& config) {
  if (!config.is_ok()) {
    require(config.status().code() == ossmc::StatusCode::kInvalidArgument,
            "a refusal is kInvalidArgument");
    require(is_one_line(config.status().message()), "an error text is one line");
    require(config.status().message().size() < 8192, "an error text is short");
    return;
  }
  require(config->prefetch_vcpus >= 1 && config->fast_list_vcpus >= 1, "there is a thread");
  require(config->workers_at_start() >= 1, "there is a slot");
  require(config->workers_at_most() >= config->workers_at_start(), "slots have an order");
  require(config->prefetch_memory_bytes / config->prefetch_chunk_bytes >= ossmc::kMinMemoryChunks,
          "memory holds some chunks");
  require(config->retry_max_attempts >= 1, "there is an attempt");
  require(config->read_timeout > ossmc::Duration::zero(), "a read has time");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ossmc::MachineFacts machine;
  machine.usable_cpus = 2;
  std::vector<std::string> warnings;
  check(ossmc::parse_config(text, "config.json", "", machine, &warnings));
  check(ossmc::parse_config("", "", text, machine, &warnings));
  for (const std::string& warning : warnings)
    require(is_one_line(warning), "a warning is one line");
  return 0;
}
