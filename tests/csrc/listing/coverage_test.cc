#include "listing/coverage.h"

#include <gtest/gtest.h>

#include <string>

namespace ossmc {
namespace {

TEST(Coverage, IsCompleteWhenTheUnionIsEverything) {
  Coverage coverage;
  EXPECT_FALSE(coverage.is_complete());
  EXPECT_TRUE(coverage.add("m", std::nullopt).is_ok());
  EXPECT_FALSE(coverage.is_complete());
  EXPECT_TRUE(coverage.add("", "c").is_ok());
  EXPECT_TRUE(coverage.add("f", "m").is_ok());
  EXPECT_EQ(coverage.interval_count(), 2U);
  EXPECT_FALSE(coverage.is_complete());
  EXPECT_TRUE(coverage.add("c", "f").is_ok());
  EXPECT_EQ(coverage.interval_count(), 1U);
  EXPECT_TRUE(coverage.is_complete());
}

TEST(Coverage, OneIntervalMayBeEverything) {
  Coverage coverage;
  EXPECT_TRUE(coverage.add("", std::nullopt).is_ok());
  EXPECT_TRUE(coverage.is_complete());
}

TEST(Coverage, RefusesWhatWasCoveredBefore) {
  Coverage coverage;
  ASSERT_TRUE(coverage.add("b", "d").is_ok());
  ASSERT_TRUE(coverage.add("h", std::nullopt).is_ok());
  for (const auto& [after, end] : {std::pair<std::string, KeyEnd>("b", "d"),
                                   {"b", "c"},
                                   {"c", "e"},
                                   {"a", "c"},
                                   {"a", "e"},
                                   {"c", std::nullopt},
                                   {"d", std::nullopt},
                                   {"x", "y"},
                                   {"g", "i"},
                                   {"e", "e"},
                                   {"f", "e"}}) {
    EXPECT_EQ(coverage.add(after, end).code(), StatusCode::kInternal)
        << after << " to " << end.value_or("the end");
  }
  EXPECT_EQ(coverage.interval_count(), 2U);
}

TEST(Coverage, ComparesUnsignedBytes) {
  Coverage coverage;
  ASSERT_TRUE(coverage.add("", "z").is_ok());
  EXPECT_TRUE(coverage.add("z", "\xf0\x9f\x98\x80").is_ok());
  EXPECT_TRUE(coverage.add("\xf0\x9f\x98\x80", std::nullopt).is_ok());
  EXPECT_TRUE(coverage.is_complete());
}

}  // namespace
}  // namespace ossmc
