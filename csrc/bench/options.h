// Options: what a run is asked to do, as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ossmc::bench {

enum class Workload : std::uint8_t { kDownload, kFirstByte, kSmall, kList };

// Where the bytes of a download go.
enum class Into : std::uint8_t {
  kDrop,    // shown in chunk memory, then forgotten
  kKeep,    // a view of each whole object, all kept until the end of the pass
  kBuffer,  // copied into one buffer of the caller
};

struct Options {
  Workload workload = Workload::kDownload;

  // Which store, and what of it.
  std::string endpoint;
  std::string region;                // empty: read off the endpoint
  std::vector<std::string> objects;  // oss:// URIs, or keys of `bucket`
  std::string objects_file;          // one more a line; "-": standard input
  std::string bucket;
  std::string prefix;            // of the listing that gives the keys when no object is named
  std::uint64_t at_most = 0;     // of the objects named or listed; 0: all
  std::string credentials_file;  // empty: the environment
  bool anonymous = false;

  // The connector's configuration.
  std::string config_file;
  std::string config_overrides;  // JSON object; empty: none

  // How often, and with what.
  int passes = 5;
  int warmup = 1;        // passes before, which are not counted
  double seconds = 0.0;  // download: read again and again for so long; 0: passes
  Into into = Into::kDrop;
  std::uint64_t read_bytes = 4 << 20;   // kBuffer
  std::uint64_t first_bytes = 1 << 10;  // first-byte
  int count = 100;                      // first-byte
  int batch = 32;                       // small
  bool fast = false;                    // list

  std::string json_file;         // "-": standard output, in place of the table; empty: none
  std::optional<bool> progress;  // nothing: on a terminal
  bool verbose = false;          // all log records, not only warnings
};

}  // namespace ossmc::bench
