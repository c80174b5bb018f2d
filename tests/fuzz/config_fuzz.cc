// Whatever stands in a configuration file, or is given in its place. If the first byte is the
// number of a key, what follows is that key's value: so each key is tried with much.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "connector/config.h"
#include "connector/config_table.h"
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
  require(config->prefetch_memory_bytes.value_or(UINT64_MAX) / config->least_chunk_bytes() >=
              ossmc::kMinMemoryChunks,
          "memory holds some chunks");
  require(config->retry_max_attempts >= 1, "there is an attempt");
  require(config->read_timeout > ossmc::Duration::zero(), "a read has time");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string one_key;
  if (const auto& keys = ossmc::config_keys(); size > 0 && data[0] < keys.size()) {
    one_key.append("{\"").append(keys[data[0]].name).append("\": ").append(text.substr(1)) += '}';
    text = one_key;
  }
  ossmc::MachineFacts machine;
  machine.usable_cpus = 2;
  std::vector<std::string> warnings;
  check(ossmc::parse_config(text, "config.json", "", machine, &warnings));
  check(ossmc::parse_config("", "", text, machine, &warnings));
  // By the facts of this machine, which is read for it: too slow for every input.
  if (text.empty()) check(ossmc::parse_config("", "", "", &warnings));
  for (const std::string& warning : warnings)
    require(is_one_line(warning), "a warning is one line");
  return 0;
}
