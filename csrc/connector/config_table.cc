#include "connector/config_table.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>

#include "connector/config_values.h"
#include "protocol/ascii.h"
#include "transfer/rate_limit.h"

namespace ossmc {

namespace {

constexpr double kDay = 86400;
constexpr double kKiB = 1024;
constexpr double kGiB = 1024.0 * 1024 * 1024;
constexpr double kTiB = 1024 * kGiB;
constexpr auto kLeastRate = static_cast<double>(RateLimit::kLeastBytesPerSecond);

constexpr ConfigRow kRows[] = {
    {"logLevel", &Config::log_level, 0, 3, "", "", "0 debug, 1 info, 2 warning, 3 error"},
    {"logPath", &Config::log_path, 0, 0, "none", "",
     "log file, 10 x 10 MiB rotating, mode 0600, `.PID` added in child processes", check_path},
    {"auditPath", &Config::audit_path, 0, 0, "none", "",
     "audit file, a line a request, rotating as the log does", check_path},
    {kVcpusKey, &Config::prefetch_vcpus, 1, 64, "min(4, usable CPUs)", "", "I/O threads"},
    {"prefetch.workers", &Config::prefetch_workers, 1, 256, "\"auto\"", "",
     "concurrent ranged requests in each I/O thread; auto starts at 16 and finds its level, at "
     "most 256 in all"},
    {kChunkKey, &Config::prefetch_chunk_size, kKiB, kGiB, "\"auto\"", "",
     "bytes a ranged request asks for; auto: 4 MiB, 8 MiB where prefetch.workers or "
     "prefetch.memoryBytes is given, and less, down to 1 MiB, where the budget has no room for 32 "
     "of them"},
    {kMemoryKey, &Config::prefetch_memory_bytes, 0, kGiB* kGiB,
     "one budget that all connectors of the process without this key share: half of what the "
     "machine or its cgroup has free, divided by LOCAL_WORLD_SIZE if set; at most 1 GiB in a "
     "worker",
     "at least 4 chunks", "a hard budget of this connector's own, which does not yield"},
    {"transfer.maxBytesPerSecond", &Config::transfer_most_bytes_per_second, kLeastRate, kTiB,
     "none", "0, or 64 KiB to 1 TiB",
     "bytes of objects that this connector may receive in a second; 0: no limit"},
    {"fastList.vcpus", &Config::fast_list_vcpus, 1, 16, "", "", "threads of a fast list"},
    {"fastList.workers", &Config::fast_list_workers, 1, 1024, "", "",
     "concurrent list requests in each of them"},
    {"timeout.connectSeconds", &Config::connect_timeout, 0.1, kDay, "", "",
     "the longest that a connection may take to be made"},
    {"timeout.stallSeconds", &Config::stall_timeout, 0.1, kDay, "", "",
     "an attempt that is too slow for that long is aborted and resumed; pages of listings and HEAD "
     "are waited for up to `timeout.readSeconds`"},
    {"timeout.readSeconds", &Config::read_timeout, 0.1, kDay, "", "",
     "the longest that a read may go without one new byte that it waits for; a read that advances "
     "never times out"},
    {"retry.maxAttempts", &Config::retry_max_attempts, 1, 100, "", "",
     "attempts for one chunk, the first included"},
    {"verify.crc64", &Config::verify_crc64, 0, 0, "", "",
     "check the object's CRC-64 on a whole read"},
    {"tls.caFile", &Config::tls_ca_file, 0, 0,
     "SSL_CERT_FILE, CURL_CA_BUNDLE, then the system's, then certifi's if installed", "",
     "file of certificates of a private CA", check_path},
    {"tls.caPath", &Config::tls_ca_path, 0, 0, "the system's", "",
     "folder of certificates of a private CA", check_path},
    {"proxy", &Config::proxy, 0, 0, "HTTP(S)_PROXY and NO_PROXY", "a URL, or \"\" for never",
     "proxy; its password is never printed", check_proxy},
    {"userAgent", &Config::user_agent, 0, 0, "none", "", "text added to the User-Agent header",
     check_user_agent},
    {kHeadersKey, &Config::headers, 0, 0, "none", "names with texts",
     "extra request headers, signed where they must be"},
    {"addressing", &Config::addressing, 0, 0, "path for IP addresses and localhost, else virtual",
     "\"path\", \"virtual\" or \"cname\"", "where a URL names the bucket"},
};

// Of other connectors for OSS: ignored, with all that lies in them, in whatever group they stand.
constexpr std::string_view kForeignKeys[] = {"expireTimeSec", "cachePolicy", "datasetConfig",
                                             "checkpointConfig"};

// How each type of field is called, and how a value of it is written.
std::string type_of(LogLevel) { return "integer"; }
std::string type_of(int) { return "integer"; }
std::string type_of(const std::optional<int>&) { return "integer or \"auto\""; }
std::string type_of(std::uint64_t) { return "size"; }
std::string type_of(const std::optional<std::uint64_t>&) { return "size"; }
std::string type_of(const std::optional<Size>&) { return "size or \"auto\""; }
std::string type_of(Duration) { return "seconds"; }
std::string type_of(bool) { return "boolean"; }
std::string type_of(const std::string&) { return "text"; }
std::string type_of(const std::optional<std::string>&) { return "text"; }
std::string type_of(const std::optional<Addressing>&) { return "text"; }
std::string type_of(const std::vector<NameValue>&) { return "object"; }

std::string size_text(double bytes) {
  const char* unit = " B";
  for (const char* larger : {" KiB", " MiB", " GiB"}) {
    if (bytes < 1024 || std::fmod(bytes, 1024) != 0) break;
    bytes /= 1024;
    unit = larger;
  }
  return config_number_text(bytes) + unit;
}

std::string value_text(LogLevel level) { return std::to_string(static_cast<int>(level)); }
std::string value_text(int number) { return std::to_string(number); }
std::string value_text(std::uint64_t bytes) { return size_text(static_cast<double>(bytes)); }
std::string value_text(Duration duration) {
  return config_number_text(
      std::chrono::duration_cast<std::chrono::duration<double>>(duration).count());
}
std::string value_text(bool flag) { return flag ? "true" : "false"; }
// The others' defaults need words, which the table has.
template <typename T>
std::string value_text(const T&) {
  return {};
}

std::string_view last_name(std::string_view key) { return key.substr(key.rfind('.') + 1); }

// For comparing: connect_seconds is near connectSeconds.
std::string folded(std::string_view key) {
  std::string out;
  for (const char c : key) {
    if (c != '_' && c != '-') out.push_back(ascii_lower(c));
  }
  return out;
}

}  // namespace

const ConfigRow* find_config_row(std::string_view key) {
  const auto* const found = std::find_if(std::begin(kRows), std::end(kRows),
                                         [&](const ConfigRow& row) { return row.name == key; });
  return found == std::end(kRows) ? nullptr : found;
}

bool is_config_group(std::string_view key) {
  return key == kHeadersKey ||
         std::any_of(std::begin(kRows), std::end(kRows), [&](const ConfigRow& row) {
           return row.name.size() > key.size() && row.name.starts_with(key) &&
                  row.name[key.size()] == '.';
         });
}

std::string_view foreign_config_key(std::string_view key) {
  std::size_t begin = 0;
  while (begin <= key.size()) {
    const std::size_t end = std::min(key.find('.', begin), key.size());
    const std::string_view name = key.substr(begin, end - begin);
    if (std::find(std::begin(kForeignKeys), std::end(kForeignKeys), name) !=
        std::end(kForeignKeys)) {
      return key.substr(0, end);
    }
    begin = end + 1;
  }
  return {};
}

std::string_view nearest_config_key(std::string_view key) {
  constexpr std::size_t kLongest = 100;  // of what is compared: more cannot be near
  constexpr std::size_t kLeastPart = 4;  // of a part that is meant
  const std::string wanted = folded(key.substr(0, kLongest));
  std::string_view nearest;
  int least = 0;
  for (const ConfigRow& row : kRows) {
    const std::string known = folded(row.name);
    // The name alone, in no group or in a wrong one, is nearly as good as the whole key.
    int distance = std::min(edit_distance(wanted, known),
                            edit_distance(last_name(wanted), last_name(known)) + 2);
    // "memory" is prefetch.memoryBytes, though many letters are between them.
    if (wanted.size() >= kLeastPart && known.find(wanted) != known.npos)
      distance = std::min(distance, 2);
    if (nearest.empty() || distance < least) {
      nearest = row.name;
      least = distance;
    }
  }
  return nearest;
}

std::string config_number_text(double number) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, number);
  return error == std::errc() ? std::string(text, end) : std::string();
}

std::string config_range_text(const ConfigRow& row) {
  if (!row.range_text.empty()) return std::string(row.range_text);
  if (row.most == 0) return {};
  const bool is_size = std::holds_alternative<std::uint64_t Config::*>(row.field) ||
                       std::holds_alternative<std::optional<Size> Config::*>(row.field);
  const auto text = is_size ? size_text : config_number_text;
  return text(row.least) + " to " + text(row.most);
}

const std::vector<ConfigKey>& config_keys() {
  static const std::vector<ConfigKey>& keys = *[] {
    auto* made = new std::vector<ConfigKey>;
    const Config defaults;
    for (const ConfigRow& row : kRows) {
      ConfigKey& key = made->emplace_back();
      key.name = row.name;
      std::visit(
          [&](auto field) {
            key.type = type_of(defaults.*field);
            key.default_text = row.default_text.empty() ? value_text(defaults.*field)
                                                        : std::string(row.default_text);
          },
          row.field);
      key.range_text = config_range_text(row);
      key.meaning = row.meaning;
    }
    return made;
  }();
  return keys;
}

}  // namespace ossmc
