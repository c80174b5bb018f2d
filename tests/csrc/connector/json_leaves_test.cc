#include "connector/json_leaves.h"

#include <gtest/gtest.h>

namespace ossmc {
namespace {

using Kind = JsonLeaf::Kind;

TEST(JsonLeaves, TellKeyKindAndNesting) {
  Result<std::vector<JsonLeaf>> read = read_json_leaves(
      R"({"a": 1, "b": {"c": -2.5, "d.e": "x", "f": {}}, "g": [1, [2, {"h": {}}], {"i": 1}], "j": null, "k": false})",
      "doc");
  ASSERT_TRUE(read.is_ok()) << read.status().message();
  const std::vector<JsonLeaf>& leaves = *read;
  const struct {
    const char* key;
    Kind kind;
    int nesting;
  } expected[] = {{"a", Kind::kInteger, 1},  {"b.c", Kind::kReal, 2},
                  {"b.d.e", Kind::kText, 2}, {"b.f", Kind::kEmptyObject, 2},
                  {"g", Kind::kArray, 1},    {"j", Kind::kNull, 1},
                  {"k", Kind::kBool, 1}};
  ASSERT_EQ(leaves.size(), std::size(expected));
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    EXPECT_EQ(leaves[i].key, expected[i].key);
    EXPECT_EQ(leaves[i].kind, expected[i].kind) << leaves[i].key;
    EXPECT_EQ(leaves[i].nesting, expected[i].nesting) << leaves[i].key;
  }
  EXPECT_EQ(leaves[0].integer, 1);
  EXPECT_EQ(leaves[1].real, -2.5);
  EXPECT_EQ(leaves[2].text, "x");
}

TEST(JsonLeaves, AnEmptyDocumentHasNone) {
  Result<std::vector<JsonLeaf>> read = read_json_leaves("{}", "doc");
  ASSERT_TRUE(read.is_ok());
  EXPECT_TRUE(read.value().empty());
}

}  // namespace
}  // namespace ossmc
