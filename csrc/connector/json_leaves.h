// JSON leaves: a configuration document taken apart into dotted keys and plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace ossmc {

// One value and the names above it, joined by dots: {"a": {"b": 1}} and {"a.b": 1} both give "a.b".
struct JsonLeaf {
  enum class Kind : std::uint8_t { kNull, kBool, kInteger, kReal, kText, kArray, kEmptyObject };

  std::string key;
  int nesting = 1;  // how many objects it lies in
  Kind kind = Kind::kNull;
  bool flag = false;         // kBool
  std::int64_t integer = 0;  // kInteger; numbers beyond its range are kReal
  double real = 0.0;         // kReal; finite
  std::string text;          // kText
};

// `where` names the document in errors, all of them kInvalidArgument: a file's path, or "config=".
// Refused: text that is not JSON (with line and column), a document that is no object, a name given
// twice, whether nested or dotted, more than 1 MiB, more than 16 levels. Of an array only its place
// is told. Error texts never show a value: it may be a secret.
Result<std::vector<JsonLeaf>> read_json_leaves(std::string_view text, std::string_view where);

}  // namespace ossmc
