#include "connector/json_leaves.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "protocol/object_name.h"

namespace ossmc {

namespace {

constexpr std::size_t kMaxDocumentBytes = 1u << 20;
constexpr std::size_t kMaxLevels = 16;

// What the parser says is wrong, without the text that it quotes.
std::string cause_of(const std::string& what) {
  const std::size_t cause = what.find(" - ");
  if (cause == std::string::npos) return "a value that cannot be read";
  std::string text = what.substr(cause + 3);
  const std::size_t quote = text.find("; last read: '");
  const std::size_t end = text.rfind('\'');
  if (quote != std::string::npos && end != std::string::npos && end > quote)
    text.erase(quote, end + 1 - quote);
  return text;
}

// Handed the document's events one by one by the parser; false ends it. No tree is ever built.
class LeafReader {
 public:
  LeafReader(std::string_view document, std::string_view where)
      : document_(document), where_(where) {}

  bool null() {
    return value(JsonLeaf::Kind::kNull, [](JsonLeaf&) {});
  }
  bool boolean(bool flag) {
    return value(JsonLeaf::Kind::kBool, [&](JsonLeaf& leaf) { leaf.flag = flag; });
  }
  bool number_integer(std::int64_t number) {
    return value(JsonLeaf::Kind::kInteger, [&](JsonLeaf& leaf) { leaf.integer = number; });
  }
  bool number_unsigned(std::uint64_t number) {
    if (number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return number_integer(static_cast<std::int64_t>(number));
    }
    return number_float(static_cast<double>(number), {});
  }
  bool number_float(double number, const std::string& /*as_written*/) {
    return value(JsonLeaf::Kind::kReal, [&](JsonLeaf& leaf) { leaf.real = number; });
  }
  bool string(std::string& text) {
    return value(JsonLeaf::Kind::kText, [&](JsonLeaf& leaf) { leaf.text = std::move(text); });
  }
  bool binary(nlohmann::json::binary_t& /*bytes*/) { return false; }  // JSON has none

  bool start_object(std::size_t /*size*/) {
    if (levels_.size() >= kMaxLevels)
      return fail("nested deeper than " + std::to_string(kMaxLevels) + " levels");
    if (arrays_ == 0) {
      levels_.push_back({path_.size(), {}});
    } else {
      ++arrays_;
    }
    return true;
  }
  bool key(std::string& name) {
    if (arrays_ > 0) return true;
    Level& level = levels_.back();
    path_.resize(level.path_size);
    if (!path_.empty()) path_ += '.';
    path_ += name;
    if (!level.names.insert(name).second)
      return fail("the key " + printable(path_, 100) + " is there twice");
    return true;
  }
  bool end_object() {
    if (arrays_ > 0) {
      --arrays_;
      return true;
    }
    path_.resize(levels_.back().path_size);
    const bool empty = levels_.back().names.empty();
    levels_.pop_back();
    return levels_.empty() || !empty || value(JsonLeaf::Kind::kEmptyObject, [](JsonLeaf&) {});
  }
  bool start_array(std::size_t /*size*/) {
    if (arrays_ == 0 && !value(JsonLeaf::Kind::kArray, [](JsonLeaf&) {})) return false;
    ++arrays_;
    return true;
  }
  bool end_array() {
    --arrays_;
    return true;
  }
  bool parse_error(std::size_t position, const std::string& /*last_token*/,
                   const nlohmann::json::exception& error) {
    // `position` counts the characters read, the offending one included.
    const std::string_view before = document_.substr(0, position == 0 ? 0 : position - 1);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
    status_ = Status(StatusCode::kInvalidArgument,
                     where_ + ", line " + std::to_string(line) + ", column " +
                         std::to_string(before.size() - line_begin + 1) +
                         ": not valid JSON: " + cause_of(error.what()));
    return false;
  }

  bool fail(const std::string& text) {
    status_ = Status(StatusCode::kInvalidArgument, where_ + ": " + text);
    return false;
  }
  const Status& status() const { return status_; }
  std::vector<JsonLeaf>& leaves() { return leaves_; }

 private:
  struct Level {
    std::size_t path_size;  // of the object's own key
    std::set<std::string, std::less<>> names;
  };

  template <typename Fill>
  bool value(JsonLeaf::Kind kind, Fill fill) {
    if (arrays_ > 0) return true;
    if (levels_.empty()) return fail("not a JSON object, which a configuration is");
    JsonLeaf& leaf = leaves_.emplace_back();
    leaf.key = path_;
    leaf.nesting = static_cast<int>(levels_.size());
    leaf.kind = kind;
    fill(leaf);
    return true;
  }

  const std::string_view document_;
  const std::string where_;
  std::string path_;
  std::vector<Level> levels_;
  std::size_t arrays_ = 0;  // arrays, and objects within them, around the present place
  std::vector<JsonLeaf> leaves_;
  Status status_;
};

}  // namespace

Result<std::vector<JsonLeaf>> read_json_leaves(std::string_view text, std::string_view where) {
  LeafReader reader(text, printable(where));
  if (text.size() > kMaxDocumentBytes) {
    reader.fail("longer than 1 MiB, which no configuration is");
    return reader.status();
  }
  const bool whole = nlohmann::json::sax_parse(text.begin(), text.end(), &reader);
  if (!whole) {
    if (reader.status().is_ok()) reader.fail("not valid JSON");
    return reader.status();
  }
  // The same key once nested and once dotted.
  std::set<std::string_view> keys;
  for (const JsonLeaf& leaf : reader.leaves()) {
    if (!keys.insert(leaf.key).second) {
      reader.fail("the key " + printable(leaf.key, 100) +
                  " is there twice, nested and dotted: keep one");
      return reader.status();
    }
  }
  return std::move(reader.leaves());
}

}  // namespace ossmc
