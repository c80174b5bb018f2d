#include "bench/report.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>

#include "bench/json_text.h"
#include "bench/percentiles.h"

namespace ossmc::bench {

namespace {

constexpr std::size_t kWidth = 100;

std::optional<double> number_of(const Value& value) {
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* whole = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*whole);
  return std::nullopt;
}

std::string fixed(double number, int decimals) {
  std::array<char, 64> text{};
  // std::to_chars has no such form for all sizes of number; snprintf is bounded.
  const int size = std::snprintf(text.data(), text.size(), "%.*f", decimals, number);
  return size < 0 ? std::string() : std::string(text.data());
}

std::string plain_text(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "yes" : "no";
  if (const auto* whole = std::get_if<std::uint64_t>(&value)) return std::to_string(*whole);
  if (const auto* real = std::get_if<double>(&value)) return json_number(*real);
  return "-";
}

std::string cell_text(const Record& row, const Column& column) {
  const Value* const value = row.find(column.field);
  if (value == nullptr) return "-";
  if (const std::optional<double> number = number_of(*value))
    return fixed(*number * column.scale, column.decimals);
  return plain_text(*value);
}

std::string json_of(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return json_string(*text);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* whole = std::get_if<std::uint64_t>(&value)) return std::to_string(*whole);
  if (const auto* real = std::get_if<double>(&value)) return json_number(*real);
  return "null";
}

std::string json_of(const Record& record) {
  std::string text = "{";
  for (const auto& [name, value] : record.fields()) {
    if (text.size() > 1) text += ", ";
    text += json_string(name) + ": " + json_of(value);
  }
  return text + "}";
}

std::string settings_text(const Record& settings) {
  std::string text;
  std::size_t line = 0;
  for (const auto& [name, value] : settings.fields()) {
    const std::string word = name + " " + plain_text(value);
    if (line > 0 && line + 3 + word.size() > kWidth) {
      text += '\n';
      line = 0;
    }
    if (line > 0) text += " | ";
    line += (line > 0 ? 3 : 0) + word.size();
    text += word;
  }
  return text + "\n";
}

}  // namespace

Record& Record::set(std::string name, Value value) {
  for (auto& [known, held] : fields_) {
    if (known != name) continue;
    held = std::move(value);
    return *this;
  }
  fields_.emplace_back(std::move(name), std::move(value));
  return *this;
}

const Value* Record::find(std::string_view name) const {
  for (const auto& [known, value] : fields_) {
    if (known == name) return &value;
  }
  return nullptr;
}

Record median_of(const std::vector<Record>& rows) {
  Record result;
  if (rows.empty()) return result;
  for (const auto& [name, first] : rows.front().fields()) {
    std::vector<double> numbers;
    bool same = true;
    for (const Record& row : rows) {
      const Value* const value = row.find(name);
      const std::optional<double> number = value == nullptr ? std::nullopt : number_of(*value);
      if (number) numbers.push_back(*number);
      same = same && value != nullptr && *value == first;
    }
    if (numbers.size() == rows.size()) {
      result.set(name, median(std::move(numbers)));
    } else {
      result.set(name, same ? first : Value());
    }
  }
  return result;
}

std::string table_text(const Section& section) {
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : section.columns) lines[0].push_back(column.heading);
  const auto add = [&](const Record& row) {
    std::vector<std::string>& line = lines.emplace_back();
    for (const Column& column : section.columns) line.push_back(cell_text(row, column));
  };
  for (const Record& row : section.rows) add(row);
  if (section.median) {
    add(*section.median);
    lines.back().front() = "median";
  }
  std::string text;
  std::vector<std::size_t> widths(section.columns.size());
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (i > 0) text += "  ";
      text += std::string(widths[i] - line[i].size(), ' ') + line[i];
    }
    text += '\n';
  }
  return text;
}

std::string human_text(const Report& report) {
  std::string text = settings_text(report.settings);
  for (const std::string& note : report.notes) text += note + "\n";
  for (const Section& section : report.sections) text += "\n" + table_text(section);
  return text;
}

std::string json_text(const Report& report) {
  std::string text = "{\n  \"settings\": " + json_of(report.settings);
  for (const Section& section : report.sections) {
    text += ",\n  " + json_string(section.name) + ": [";
    for (const Record& row : section.rows)
      text += (&row == &section.rows.front() ? "\n    " : ",\n    ") + json_of(row);
    text += section.rows.empty() ? "]" : "\n  ]";
    if (section.median) text += ",\n  \"median\": " + json_of(*section.median);
  }
  return text + "\n}\n";
}

}  // namespace ossmc::bench
