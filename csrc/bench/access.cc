#include "bench/access.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "connector/json_leaves.h"
#include "protocol/object_name.h"

namespace ossmc::bench {

namespace {

std::string from_environment(const char* name) {
  // getenv is safe here: nothing of ours writes the environment.
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? std::string() : value;
}

// The core calls what it was given beside a file "config=", as its users write it in Python.
Status in_words_of_options(const Status& status) {
  constexpr std::string_view kOverrides = "config=: ";
  if (!status.message().starts_with(kOverrides)) return status;
  return {status.code(), "options: " + status.message().substr(kOverrides.size())};
}

Status unreadable(std::string_view path) {
  return {StatusCode::kInvalidArgument, printable(path) + ": cannot be read"};
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return unreadable(path);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad()) return unreadable(path);
  return text;
}

Status add_lines(std::istream& in, std::vector<std::string>* lines) {
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) lines->push_back(line);
  }
  return in.bad() ? unreadable("the list of objects") : Status::ok();
}

}  // namespace

Result<Credentials> parse_credentials(std::string_view text, std::string_view where) {
  const Result<std::vector<JsonLeaf>> leaves = read_json_leaves(text, where);
  if (!leaves.is_ok()) return leaves.status();
  Credentials credentials;
  for (const JsonLeaf& leaf : *leaves) {
    std::string* const field = leaf.key == "AccessKeyId"       ? &credentials.access_key_id
                               : leaf.key == "AccessKeySecret" ? &credentials.access_key_secret
                               : leaf.key == "SecurityToken"   ? &credentials.security_token
                                                               : nullptr;
    if (field == nullptr || leaf.kind == JsonLeaf::Kind::kNull) continue;
    if (leaf.kind != JsonLeaf::Kind::kText)
      return Status(StatusCode::kInvalidArgument,
                    printable(where) + ": " + leaf.key + " must be a text");
    *field = leaf.text;
  }
  if (credentials.access_key_id.empty() || credentials.access_key_secret.empty())
    return Status(StatusCode::kInvalidArgument,
                  printable(where) + ": has no AccessKeyId or no AccessKeySecret");
  return credentials;
}

Result<Credentials> find_credentials(const Options& options) {
  Credentials credentials;
  credentials.anonymous = options.anonymous;
  if (options.anonymous) return credentials;
  if (!options.credentials_file.empty()) {
    const Result<std::string> text = read_file(options.credentials_file);
    return text.is_ok() ? parse_credentials(*text, options.credentials_file) : text.status();
  }
  credentials.access_key_id = from_environment("OSS_ACCESS_KEY_ID");
  credentials.access_key_secret = from_environment("OSS_ACCESS_KEY_SECRET");
  credentials.security_token = from_environment("OSS_SESSION_TOKEN");
  if (credentials.access_key_id.empty() || credentials.access_key_secret.empty())
    return Status(StatusCode::kInvalidArgument,
                  "no credentials: set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET (and "
                  "OSS_SESSION_TOKEN), or give --credentials FILE or --anonymous");
  return credentials;
}

Access::Access(Options options, Config config, Credentials credentials)
    : options_(std::move(options)),
      config_(std::move(config)),
      credentials_(std::move(credentials)) {}

Result<Access> Access::make(Options options) {
  process_log().set_level(options.verbose ? LogLevel::kDebug : LogLevel::kWarning);
  std::string file_text;
  if (!options.config_file.empty()) {
    Result<std::string> text = read_file(options.config_file);
    if (!text.is_ok()) return text.status();
    file_text = std::move(text).value();
  }
  std::vector<std::string> warnings;
  Result<Config> config =
      parse_config(file_text, options.config_file, options.config_overrides, &warnings);
  if (!config.is_ok()) return in_words_of_options(config.status());
  for (const std::string& warning : warnings) process_log().write(LogLevel::kWarning, warning);
  Result<Credentials> credentials = find_credentials(options);
  if (!credentials.is_ok()) return credentials.status();
  return Access(std::move(options), std::move(config).value(), std::move(credentials).value());
}

Result<std::shared_ptr<Connector>> Access::connect() const {
  return Connector::make(options_.endpoint, options_.region, config_,
                         CredentialsCache::make_fixed(system_clock(), credentials_));
}

Result<std::vector<std::string>> Access::objects(Connector& connector, Interrupt& interrupt) const {
  std::vector<std::string> names = options_.objects;
  if (options_.objects_file == "-") {
    const Status status = add_lines(std::cin, &names);
    if (!status.is_ok()) return status;
  } else if (!options_.objects_file.empty()) {
    std::ifstream file(options_.objects_file);
    if (!file) return unreadable(options_.objects_file);
    const Status status = add_lines(file, &names);
    if (!status.is_ok()) return status;
  } else if (names.empty()) {
    const Result<ObjectColumns> listed =
        connector.list(options_.bucket, options_.prefix, false, interrupt);
    if (!listed.is_ok()) return listed.status();
    for (std::size_t i = 0; i < listed->size(); ++i) {
      // Keys that end so stand for folders in the console: there is nothing to read.
      if (!listed->key(i).ends_with('/')) names.emplace_back(listed->key(i));
    }
  }
  if (options_.at_most > 0 && names.size() > options_.at_most)
    names.resize(static_cast<std::size_t>(options_.at_most));
  for (std::string& name : names) {
    if (name.starts_with(kUriScheme)) continue;
    if (options_.bucket.empty())
      return Status(StatusCode::kInvalidArgument,
                    "the key " + printable(name, 100) + " needs its --bucket");
    name = ObjectName{options_.bucket, name}.uri();
  }
  if (names.empty()) return Status(StatusCode::kObjectNotFound, "there is no object to read");
  return names;
}

void print_log() {
  constexpr std::array<const char*, 4> kNames{"debug", "info", "warning", "error"};
  while (true) {
    const std::vector<LogRecord> records = process_log().drain(1000);
    if (records.empty()) return;
    for (const LogRecord& record : records) {
      std::fprintf(stderr, "ossmc_bench: %s: %s\n", kNames[static_cast<std::size_t>(record.level)],
                   record.text.c_str());
    }
  }
}

}  // namespace ossmc::bench
