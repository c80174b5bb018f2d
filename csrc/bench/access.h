// Access: the way to the store that the options describe: configuration, keys, connectors, names.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/credentials.h"
#include "base/status.h"
#include "base/wait.h"
#include "bench/options.h"
#include "connector/config.h"
#include "connector/connector.h"

namespace ossmc::bench {

// From the options' file, the environment, or none for anonymous access. Errors never show a value
// of either.
Result<Credentials> find_credentials(const Options& options);
// A credentials file's text: a JSON object with AccessKeyId, AccessKeySecret and, optionally,
// SecurityToken. `where` names it in errors.
Result<Credentials> parse_credentials(std::string_view text, std::string_view where);

// One thread.
class Access {
 public:
  // Checks all that can be checked without a request. kInvalidArgument, kCredentials.
  static Result<Access> make(Options options);

  const Options& options() const { return options_; }
  const Config& config() const { return config_; }
  // Each with threads and connections of its own.
  Result<std::shared_ptr<Connector>> connect() const;
  // The objects of the options as URIs: named, read from the file, or listed through `connector`.
  // Never none.
  Result<std::vector<std::string>> objects(Connector& connector, Interrupt& interrupt) const;

 private:
  Access(Options options, Config config, Credentials credentials);

  const Options options_;
  const Config config_;
  const Credentials credentials_;
};

// What the log holds, to standard error.
void print_log();

}  // namespace ossmc::bench
