#include "connector/config.h"

#include <sched.h>

#include <algorithm>
#include <bit>
#include <span>
#include <thread>
#include <utility>
#include <variant>

#include "connector/config_table.h"
#include "connector/config_values.h"
#include "connector/json_leaves.h"
#include "protocol/ascii.h"
#include "protocol/object_name.h"

namespace ossmc {

namespace {

using Kind = JsonLeaf::Kind;

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

std::string kind_name(Kind kind) {
  switch (kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return "a boolean";
    case Kind::kInteger:
    case Kind::kReal:
      return "a number";
    case Kind::kText:
      return "a text";
    case Kind::kArray:
      return "an array";
    case Kind::kEmptyObject:
      return "an object";
  }
  return "something else";
}

std::string wrong_type(const char* wanted, const JsonLeaf& leaf) {
  std::string text = std::string("must be ") + wanted + ", is " + kind_name(leaf.kind);
  if (leaf.kind == Kind::kNull) text += "; leave the key out for its default";
  if (leaf.kind == Kind::kReal) text += " with a fraction, an exponent or too many digits";
  return text;
}

std::string out_of_range(const ConfigRow& row, const std::string& given) {
  return "must be " + config_range_text(row) + ", is " + given;
}

// A whole number within the row's range, into *number. Returns what is wrong.
std::string take_integer(const ConfigRow& row, const JsonLeaf& leaf, const char* wanted,
                         int* number) {
  if (leaf.kind != Kind::kInteger) return wrong_type(wanted, leaf);
  if (static_cast<double>(leaf.integer) < row.least ||
      static_cast<double>(leaf.integer) > row.most) {
    return out_of_range(row, std::to_string(leaf.integer));
  }
  *number = static_cast<int>(leaf.integer);
  return {};
}

std::string take_size(const ConfigRow& row, const JsonLeaf& leaf, std::uint64_t* bytes) {
  std::uint64_t size = 0;
  if (leaf.kind == Kind::kText) {
    std::string wrong = check_size(leaf.text, &size);
    if (!wrong.empty()) return wrong + ", is \"" + printable(leaf.text, 40) + "\"";
  } else if (leaf.kind == Kind::kInteger) {
    if (leaf.integer < 0) return out_of_range(row, std::to_string(leaf.integer));
    size = static_cast<std::uint64_t>(leaf.integer);
  } else {
    return wrong_type("a whole number of bytes, or a text such as \"256 MiB\"", leaf);
  }
  if (static_cast<double>(size) < row.least || static_cast<double>(size) > row.most) {
    return out_of_range(row, std::to_string(size));
  }
  *bytes = size;
  return {};
}

// Or 0: there is none.
std::string take_rate(const ConfigRow& row, const JsonLeaf& leaf, std::uint64_t* bytes) {
  ConfigRow any = row;
  any.least = 0;
  std::uint64_t rate = 0;
  std::string wrong = take_size(any, leaf, &rate);
  if (!wrong.empty()) return wrong;
  if (rate != 0 && static_cast<double>(rate) < row.least)
    return out_of_range(row, std::to_string(rate));
  *bytes = rate;
  return {};
}

std::string take_seconds(const ConfigRow& row, const JsonLeaf& leaf, Duration* duration) {
  if (leaf.kind != Kind::kInteger && leaf.kind != Kind::kReal)
    return wrong_type("a number of seconds", leaf);
  const double seconds =
      leaf.kind == Kind::kInteger ? static_cast<double>(leaf.integer) : leaf.real;
  if (!(seconds >= row.least && seconds <= row.most))
    return out_of_range(row, config_number_text(seconds));
  *duration = seconds_to_duration(seconds);
  return {};
}

std::string take_text(const ConfigRow& row, const JsonLeaf& leaf, std::string* text) {
  if (leaf.kind != Kind::kText) return wrong_type("a text", leaf);
  std::string wrong = row.check != nullptr ? row.check(leaf.text) : std::string();
  if (wrong.empty()) *text = leaf.text;
  return wrong;
}

// Sets the row's field from the leaf. Returns what is wrong, as the end of a sentence that begins
// with the key.
std::string take(const ConfigRow& row, const JsonLeaf& leaf, Config& config) {
  return std::visit(
      Overloaded{
          [&](LogLevel Config::*field) {
            int level = 0;
            std::string wrong = take_integer(row, leaf, "a whole number", &level);
            if (wrong.empty()) config.*field = static_cast<LogLevel>(level);
            return wrong;
          },
          [&](int Config::*field) {
            return take_integer(row, leaf, "a whole number", &(config.*field));
          },
          [&](std::optional<int> Config::*field) {
            if (leaf.kind == Kind::kText) {
              if (leaf.text != "auto")
                return "must be a whole number or \"auto\", is \"" + printable(leaf.text, 40) +
                       "\"";
              (config.*field).reset();
              return std::string();
            }
            int number = 0;
            std::string wrong = take_integer(row, leaf, "a whole number or \"auto\"", &number);
            if (wrong.empty()) config.*field = number;
            return wrong;
          },
          [&](std::uint64_t Config::*field) { return take_rate(row, leaf, &(config.*field)); },
          [&](std::optional<std::uint64_t> Config::*field) {
            std::uint64_t size = 0;
            std::string wrong = take_size(row, leaf, &size);
            if (wrong.empty()) config.*field = size;
            return wrong;
          },
          [&](std::optional<Size> Config::*field) {
            if (leaf.kind == Kind::kText && leaf.text == "auto") {
              (config.*field).reset();
              return std::string();
            }
            Size size;
            std::string wrong = take_size(row, leaf, &size.bytes);
            if (wrong.empty()) config.*field = size;
            return wrong;
          },
          [&](Duration Config::*field) { return take_seconds(row, leaf, &(config.*field)); },
          [&](bool Config::*field) {
            if (leaf.kind != Kind::kBool) return wrong_type("true or false", leaf);
            config.*field = leaf.flag;
            return std::string();
          },
          [&](std::string Config::*field) { return take_text(row, leaf, &(config.*field)); },
          [&](std::optional<std::string> Config::*field) {
            std::string text;
            std::string wrong = take_text(row, leaf, &text);
            if (wrong.empty()) config.*field = std::move(text);
            return wrong;
          },
          [&](std::optional<Addressing> Config::*field) {
            if (leaf.kind != Kind::kText)
              return wrong_type("\"path\", \"virtual\" or \"cname\"", leaf);
            const std::optional<Addressing> addressing = parse_addressing(leaf.text);
            if (!addressing)
              return "must be \"path\", \"virtual\" or \"cname\", is \"" +
                     printable(leaf.text, 40) + "\"";
            config.*field = addressing;
            return std::string();
          },
          [&](std::vector<NameValue> Config::*) {
            return wrong_type("an object of names with texts", leaf);
          },
      },
      row.field);
}

std::string take_header(const JsonLeaf& leaf, std::vector<NameValue>& headers) {
  const std::string name = leaf.key.substr(kHeadersKey.size() + 1);
  std::string wrong = check_header_name(name);
  // {"headers": {"a": {"b": ...}}} would give the key of a header named "a.b".
  if (wrong.empty() && leaf.nesting > 2) wrong = "must be a text, is an object";
  if (wrong.empty() && leaf.kind != Kind::kText) wrong = wrong_type("a text", leaf);
  if (wrong.empty()) wrong = check_header_value(leaf.text);
  if (!wrong.empty()) return wrong;
  const auto found = std::find_if(headers.begin(), headers.end(), [&](const NameValue& header) {
    return equal_ignoring_case(header.name, name);
  });
  if (found != headers.end()) headers.erase(found);
  headers.push_back({name, leaf.text});
  return {};
}

// One of the two documents: its place in errors, and which keys it sets.
class Source {
 public:
  Source(std::string_view text, std::string_view where) : text_(text), where_(printable(where)) {}

  Status apply(Config& config, std::vector<std::string>& foreign) {
    Result<std::vector<JsonLeaf>> leaves = read_json_leaves(text_, where_);
    if (!leaves.is_ok()) return leaves.status();
    std::vector<NameValue> headers;  // of this document
    for (const JsonLeaf& leaf : *leaves) {
      std::string wrong;
      if (const ConfigRow* row = find_config_row(leaf.key);
          row != nullptr && !(leaf.key == kHeadersKey && leaf.kind == Kind::kEmptyObject)) {
        wrong = take(*row, leaf, config);
        given_.push_back(row->name);
      } else if (leaf.key.starts_with(std::string(kHeadersKey) + ".")) {
        const std::size_t before = headers.size();
        wrong = take_header(leaf, headers);
        if (wrong.empty() && headers.size() == before) wrong = "is there twice, in another case";
        if (wrong.empty()) wrong = take_header(leaf, config.headers);
      } else if (const std::string_view part = foreign_config_key(leaf.key); !part.empty()) {
        const std::string name = where_ + ": " + printable(part, 100);
        if (std::find(foreign.begin(), foreign.end(), name) == foreign.end())
          foreign.push_back(name);
      } else if (!is_config_group(leaf.key)) {
        return error("unknown key " + printable(leaf.key, 100) + "; the nearest known key is " +
                     std::string(nearest_config_key(leaf.key)));
      } else if (leaf.kind != Kind::kEmptyObject) {
        wrong = wrong_type("an object", leaf);
      }
      if (!wrong.empty()) return error(printable(leaf.key, 160) + " " + wrong);
    }
    return Status::ok();
  }

  bool gives(std::string_view key) const {
    return std::find(given_.begin(), given_.end(), key) != given_.end();
  }
  Status error(const std::string& text) const {
    return {StatusCode::kInvalidArgument, where_ + ": " + text};
  }

 private:
  const std::string_view text_;
  const std::string where_;
  std::vector<std::string_view> given_;
};

// Rules that need more than one key, and defaults that need the machine.
Status complete(Config& config, const MachineFacts& machine, std::span<const Source> sources) {
  bool vcpus_given = false;
  const Source* last = nullptr;  // that has a say in the rule about both
  for (const Source& source : sources) {
    vcpus_given = vcpus_given || source.gives(kVcpusKey);
    if (source.gives(kMemoryKey) || source.gives(kChunkKey)) last = &source;
  }
  if (!vcpus_given) config.prefetch_vcpus = std::clamp(machine.usable_cpus, 1, 4);
  const std::uint64_t least = kMinMemoryChunks * config.least_chunk_bytes();
  const std::uint64_t memory = config.prefetch_memory_bytes.value_or(least);
  if (memory >= least) return Status::ok();
  return last->error(std::string(kMemoryKey) + " must be at least 4 chunks, " +
                     std::to_string(least) + " bytes at " + std::string(kChunkKey) + " = " +
                     std::to_string(config.least_chunk_bytes()) + ", is " + std::to_string(memory));
}

int count_usable_cpus() {
  // The kernel refuses a set smaller than its own: double until it fits.
  for (int capacity = 1024; capacity <= 1 << 20; capacity *= 2) {
    cpu_set_t* set = CPU_ALLOC(capacity);
    if (set == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(capacity);
    const int count = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) return count;
  }
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

int Config::workers_at_most() const {
  return prefetch_workers ? *prefetch_workers
                          : std::max(1, kAutoWorkersInAll / std::max(1, prefetch_vcpus));
}

int Config::workers_at_start() const {
  return prefetch_workers ? *prefetch_workers : std::min(kAutoWorkersAtStart, workers_at_most());
}

std::uint64_t Config::chunk_bytes(std::uint64_t memory_bytes) const {
  constexpr std::uint64_t kChunksInBudget = 32;
  if (prefetch_chunk_size) return prefetch_chunk_size->bytes;
  const bool is_given = prefetch_workers.has_value() || prefetch_memory_bytes.has_value();
  return std::clamp(std::bit_floor(memory_bytes / kChunksInBudget), kLeastAutoChunkBytes,
                    is_given ? kMostWhereGiven : kMostAutoChunkBytes);
}

MachineFacts read_machine_facts() { return {count_usable_cpus()}; }

Result<Config> parse_config(std::string_view file_text, std::string_view file_name,
                            std::string_view overrides_text, std::vector<std::string>* warnings) {
  return parse_config(file_text, file_name, overrides_text, read_machine_facts(), warnings);
}

Result<Config> parse_config(std::string_view file_text, std::string_view file_name,
                            std::string_view overrides_text, const MachineFacts& machine,
                            std::vector<std::string>* warnings) {
  std::vector<Source> sources;
  if (!file_name.empty()) sources.emplace_back(file_text, file_name);
  if (!overrides_text.empty()) sources.emplace_back(overrides_text, "config=");
  Config config;
  std::vector<std::string> foreign;
  for (Source& source : sources) {
    const Status status = source.apply(config, foreign);
    if (!status.is_ok()) return status;
  }
  const Status status = complete(config, machine, sources);
  if (!status.is_ok()) return status;
  if (!foreign.empty() && warnings != nullptr) {
    std::string text = "keys that have no meaning here are ignored:";
    for (const std::string& name : foreign) text += (&name == &foreign.front() ? " " : ", ") + name;
    warnings->push_back(std::move(text));
  }
  return config;
}

}  // namespace ossmc
