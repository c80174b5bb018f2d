// Configuration: every key a user may set, its default, its range, and the typed values that come
// out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "protocol/endpoint.h"
#include "protocol/http.h"

namespace ossmc {

// Of what may be "auto" besides.
struct Size {
  std::uint64_t bytes = 0;
};

// Plain values, checked by parse_config(). The comment names the key; what it means is said once,
// in config_keys().
struct Config {
  LogLevel log_level = LogLevel::kInfo;  // logLevel
  std::string log_path;                  // logPath; empty: none
  std::string audit_path;                // auditPath; empty: none

  int prefetch_vcpus = 1;                   // prefetch.vcpus; by default from the machine
  std::optional<int> prefetch_workers;      // prefetch.workers; nothing: auto
  std::optional<Size> prefetch_chunk_size;  // prefetch.chunkBytes; nothing: auto
  // prefetch.memoryBytes; nothing: a part of the process's one budget (connector/memory_arbiter.h)
  std::optional<std::uint64_t> prefetch_memory_bytes;

  // transfer.maxBytesPerSecond; 0: no limit
  std::uint64_t transfer_most_bytes_per_second = 0;

  int fast_list_vcpus = 1;     // fastList.vcpus
  int fast_list_workers = 16;  // fastList.workers

  Duration connect_timeout = std::chrono::seconds(5);  // timeout.connectSeconds
  Duration stall_timeout = std::chrono::seconds(15);   // timeout.stallSeconds
  Duration read_timeout = std::chrono::seconds(180);   // timeout.readSeconds

  int retry_max_attempts = 6;  // retry.maxAttempts
  bool verify_crc64 = true;    // verify.crc64

  std::string tls_ca_file;           // tls.caFile
  std::string tls_ca_path;           // tls.caPath
  std::optional<std::string> proxy;  // proxy; nothing: the environment's; empty: never
  std::string user_agent;            // userAgent; text added to ours
  std::vector<NameValue> headers;    // headers

  std::optional<Addressing> addressing;  // addressing; nothing: by the endpoint

  // Under auto: requests in progress in each I/O thread at the start, and at the most.
  static constexpr int kAutoWorkersAtStart = 16;
  static constexpr int kAutoWorkersInAll = 256;
  int workers_at_start() const;
  int workers_at_most() const;

  // Under auto: the size of a chunk is a power of two between these, as large as leaves room for 32
  // of them in the budget. Larger ones need more memory for as many requests; smaller ones cost
  // more CPU, and a larger part of a request's time is waiting. Where the number of requests or the
  // memory is given, the larger ones are right.
  static constexpr std::uint64_t kLeastAutoChunkBytes = 1u << 20;
  static constexpr std::uint64_t kMostAutoChunkBytes = 4u << 20;
  static constexpr std::uint64_t kMostWhereGiven = 8u << 20;
  std::uint64_t chunk_bytes(std::uint64_t memory_bytes) const;
  std::uint64_t least_chunk_bytes() const { return chunk_bytes(0); }
};

inline constexpr std::uint64_t kMinMemoryChunks = 4;

// What the defaults depend on.
struct MachineFacts {
  int usable_cpus = 1;
};
// By sched_getaffinity.
MachineFacts read_machine_facts();

// The keys in the order of the documentation, with texts made from the same table that parses and
// checks.
struct ConfigKey {
  std::string name;
  std::string
      type;  // "integer", "seconds", "size", "boolean", "text", "object", "integer or \"auto\""
  std::string default_text;
  std::string range_text;  // empty: any
  std::string meaning;
};
const std::vector<ConfigKey>& config_keys();

// Both texts are JSON objects with the same keys, nested or dotted; they are merged leaf by leaf,
// and those of `overrides_text` win. An empty file name: there is no file; an empty overrides text:
// there are none. kInvalidArgument names the key, the place (the file, or "config=") and the
// nearest known key. `warnings` gets one line for the keys that only other connectors of OSS know;
// they are ignored.
Result<Config> parse_config(std::string_view file_text, std::string_view file_name,
                            std::string_view overrides_text, std::vector<std::string>* warnings);
// The same for a machine of which these are the facts.
Result<Config> parse_config(std::string_view file_text, std::string_view file_name,
                            std::string_view overrides_text, const MachineFacts& machine,
                            std::vector<std::string>* warnings);

}  // namespace ossmc
