// Report: what a run found, as records of named values; written as a table for people and as JSON
// for programs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ossmc::bench {

// Nothing: not measured.
using Value = std::variant<std::monostate, bool, std::uint64_t, double, std::string>;

// Names with values, in the order in which they were set. Units are in the names.
class Record {
 public:
  Record& set(std::string name, Value value);
  // Null: no such name.
  const Value* find(std::string_view name) const;
  const std::vector<std::pair<std::string, Value>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, Value>> fields_;
};

// A record of the medians of the numbers; other values stay where they are the same in all, and are
// nothing where they differ.
Record median_of(const std::vector<Record>& rows);

// How a field of the rows is shown: number * scale with so many decimals.
struct Column {
  std::string field;
  std::string heading;
  int decimals = 0;
  double scale = 1.0;
};

// Rows of one kind: passes, seconds, kinds of connection.
struct Section {
  std::string name;  // of the array in the JSON text
  std::vector<Column> columns;
  std::vector<Record> rows;
  std::optional<Record> median;  // "median" in the JSON text, the last row of the table
};

struct Report {
  Record settings;
  std::vector<std::string> notes;  // for people only
  std::vector<Section> sections;
};

std::string table_text(const Section& section);
// The settings in a few lines, then the notes, a line each, then the tables.
std::string human_text(const Report& report);
// {"settings": {...}, "<section>": [{...}, ...], "median": {...}}, one line a record.
std::string json_text(const Report& report);

}  // namespace ossmc::bench
