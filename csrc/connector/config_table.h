// Config table: the one place where each key's name, field, range, default and meaning stand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "connector/config.h"

namespace ossmc {

// One key. The type of the field decides which values are taken; `check` looks at texts besides.
struct ConfigRow {
  using Field = std::variant<LogLevel Config::*, int Config::*, std::optional<int> Config::*,
                             std::uint64_t Config::*, std::optional<std::uint64_t> Config::*,
                             std::optional<Size> Config::*, Duration Config::*, bool Config::*,
                             std::string Config::*, std::optional<std::string> Config::*,
                             std::optional<Addressing> Config::*, std::vector<NameValue> Config::*>;
  std::string_view name;
  Field field;
  double least;  // of numbers, in the unit of the key
  double most;
  std::string_view default_text;  // where the field's own default does not say it
  std::string_view range_text;    // where least and most do not say it
  std::string_view meaning;
  std::string (*check)(std::string_view) = nullptr;  // as in config_values.h
};

inline constexpr std::string_view kMemoryKey = "prefetch.memoryBytes";
inline constexpr std::string_view kChunkKey = "prefetch.chunkBytes";
inline constexpr std::string_view kVcpusKey = "prefetch.vcpus";
inline constexpr std::string_view kHeadersKey = "headers";

// Null: no such key.
const ConfigRow* find_config_row(std::string_view key);
// "prefetch" of "prefetch.vcpus": the name of an object that holds keys.
bool is_config_group(std::string_view key);
// For whoever mistyped a key.
std::string_view nearest_config_key(std::string_view key);
// Keys of Alibaba's own connectors that have no meaning here, in whatever group they stand: the
// part of the dotted key up to that name; empty: none.
std::string_view foreign_config_key(std::string_view key);

// "1 to 64", "1 KiB to 1 GiB"; empty: any value of its type.
std::string config_range_text(const ConfigRow& row);
std::string config_number_text(double number);

}  // namespace ossmc
