#include "bench/report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace ossmc::bench {
namespace {

Record row(std::uint64_t pass, double speed, Value place) {
  Record record;
  record.set("pass", pass).set("speed", speed).set("place", std::move(place)).set("none", {});
  return record;
}

Section section() {
  Section section{.name = "passes",
                  .columns = {{"pass", "pass"},
                              {"speed", "MB/s", 1, 1e-6},
                              {"place", "place"},
                              {"none", "x"},
                              {"missing", "y"}},
                  .rows = {row(1, 2.5e6, "here"), row(2, 10e6, "here"), row(3, 4e6, "here")},
                  .median = {}};
  section.median = median_of(section.rows);
  return section;
}

TEST(Record, SetAgainReplacesInPlace) {
  Record record;
  record.set("a", true).set("b", 1.0).set("a", "text");
  ASSERT_EQ(record.fields().size(), 2U);
  EXPECT_EQ(record.fields()[0].first, "a");
  EXPECT_EQ(*record.find("a"), Value("text"));
  EXPECT_EQ(record.find("c"), nullptr);
}

TEST(MedianOf, NumbersFieldByFieldOthersWhereTheyAreTheSame) {
  const Record same = *section().median;
  EXPECT_EQ(*same.find("speed"), Value(4e6));
  EXPECT_EQ(*same.find("pass"), Value(2.0));
  EXPECT_EQ(*same.find("place"), Value("here"));
  EXPECT_EQ(*same.find("none"), Value());
  const Record other = median_of({row(1, 1, "here"), row(2, 2, "there")});
  EXPECT_EQ(*other.find("place"), Value());
  EXPECT_EQ(*other.find("speed"), Value(1.5));
  EXPECT_TRUE(median_of({}).fields().empty());
}

TEST(MedianOf, WhatWasNotMeasuredInOneRowHasNoMedian) {
  Record without = row(2, 2, "here");
  without.set("speed", {});
  EXPECT_EQ(*median_of({row(1, 1, "here"), without}).find("speed"), Value());
}

TEST(TableText, ColumnsAreAlignedAndWhatIsMissingIsADash) {
  EXPECT_EQ(table_text(section()),
            "  pass  MB/s  place  x  y\n"
            "     1   2.5   here  -  -\n"
            "     2  10.0   here  -  -\n"
            "     3   4.0   here  -  -\n"
            "median   4.0   here  -  -\n");
}

TEST(HumanText, LongSettingsAreBroken) {
  Report report;
  for (int i = 0; i < 20; ++i) report.settings.set("setting" + std::to_string(i), "some value");
  const std::string text = human_text(report);
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = text.find('\n', begin);
    EXPECT_LE(end - begin, 100U);
    begin = end + 1;
  }
}

TEST(HumanText, NotesComeBetweenTheSettingsAndTheTables) {
  Report report;
  report.settings.set("setting", "value");
  report.notes = {"one thing: not counted", "another"};
  report.sections.push_back({.name = "s", .columns = {{"a", "a"}}, .rows = {}, .median = {}});
  EXPECT_EQ(human_text(report), "setting value\none thing: not counted\nanother\n\na\n");
  EXPECT_EQ(json_text(report).find("another"), std::string::npos);
}

TEST(JsonText, HoldsAllFieldsWithTheirTypes) {
  Report report;
  report.settings.set("flag", true).set("text", "a \"b\"").set("whole", std::uint64_t{1} << 60);
  report.sections.push_back(section());
  report.sections.push_back({.name = "empty", .columns = {}, .rows = {}, .median = {}});
  const nlohmann::json json = nlohmann::json::parse(json_text(report));
  EXPECT_EQ(json["settings"]["flag"], true);
  EXPECT_EQ(json["settings"]["text"], "a \"b\"");
  EXPECT_EQ(json["settings"]["whole"], std::uint64_t{1} << 60);
  ASSERT_EQ(json["passes"].size(), 3U);
  EXPECT_EQ(json["passes"][1]["pass"], 2);
  EXPECT_EQ(json["passes"][1]["speed"], 10e6);
  EXPECT_TRUE(json["passes"][1]["none"].is_null());
  EXPECT_EQ(json["median"]["speed"], 4e6);
  EXPECT_TRUE(json["empty"].is_array());
}

}  // namespace
}  // namespace ossmc::bench
