#include "connector/config_values.h"

#include <gtest/gtest.h>

namespace ossmc {
namespace {

TEST(EditDistance, CountsChangesInsertionsLossesAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0);
  EXPECT_EQ(edit_distance("abc", ""), 3);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("vcpus", "vcpu"), 1);
  EXPECT_EQ(edit_distance("read", "raed"), 1);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
}

TEST(CheckSize, KnowsItsLimits) {
  std::uint64_t bytes = 0;
  EXPECT_EQ(check_size("0 B", &bytes), "");
  EXPECT_EQ(bytes, 0u);
  EXPECT_EQ(check_size("16777215 TiB", &bytes), "");
  EXPECT_EQ(bytes, 16777215ULL << 40);
  EXPECT_NE(check_size("16777216 TiB", &bytes), "");
  EXPECT_NE(check_size("18446744073709551616 B", &bytes), "");
}

}  // namespace
}  // namespace ossmc
