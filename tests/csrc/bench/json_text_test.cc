#include "bench/json_text.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>

namespace ossmc::bench {
namespace {

TEST(JsonText, StringsComeBackAsTheyWere) {
  for (const std::string& text :
       {std::string("plain"), std::string("a \"b\" \\ c"), std::string("line\nend\t\x01\x7f"),
        std::string("\0nul", 4), std::string("键")}) {
    EXPECT_EQ(nlohmann::json::parse(json_string(text)).get<std::string>(), text);
  }
}

TEST(JsonText, NumbersComeBackAsTheyWere) {
  for (const double number : {0.0, -1.5, 1.0 / 3, 1e300, 4096.0, 5e-324})
    EXPECT_EQ(nlohmann::json::parse(json_number(number)).get<double>(), number);
  EXPECT_EQ(json_number(2.0), "2");
}

TEST(JsonText, WhatIsNoNumberIsNull) {
  EXPECT_EQ(json_number(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(json_number(std::numeric_limits<double>::quiet_NaN()), "null");
}

}  // namespace
}  // namespace ossmc::bench
