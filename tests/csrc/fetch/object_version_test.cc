#include "fetch/object_version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ossmc {
namespace {

using testing::HasSubstr;

constexpr char kMorning[] = "Fri, 01 Mar 2024 10:00:00 GMT";
constexpr char kEvening[] = "Fri, 01 Mar 2024 20:00:00 GMT";

ObjectVersion with(std::string etag, std::string last_modified = "") {
  ObjectVersion version;
  version.etag = std::move(etag);
  version.last_modified = std::move(last_modified);
  return version;
}

TEST(ObjectVersion, EqualStrongEtagsSettleIt) {
  EXPECT_EQ(difference(with("a", kMorning), with("a", kEvening)), std::nullopt);
  EXPECT_THAT(*difference(with("a", kMorning), with("b", kMorning)),
              HasSubstr("ETag was \"a\", is \"b\""));
}

TEST(ObjectVersion, EqualWeakEtagsDoNot) {
  ObjectVersion known = with("", kMorning);
  known.weak_etag = "a";
  ObjectVersion told = known;
  EXPECT_EQ(difference(known, told), std::nullopt);
  told.last_modified = kEvening;
  EXPECT_THAT(*difference(known, told), HasSubstr("Last-Modified was"));
  told.weak_etag = "b";
  EXPECT_THAT(*difference(known, told), HasSubstr("ETag was"));
}

TEST(ObjectVersion, WhatOneLacksIsNotCompared) {
  EXPECT_EQ(difference(with("a", kMorning), with("", kMorning)), std::nullopt);
  EXPECT_NE(difference(with("a", kMorning), with("", kEvening)), std::nullopt);
  EXPECT_EQ(difference(with("", kMorning), with("a")), std::nullopt);
  EXPECT_EQ(difference(with(""), with("")), std::nullopt);
}

TEST(ObjectVersion, AStrongEtagIsNotGivenUpForAReplyThatTellsNothing) {
  EXPECT_TRUE(tells_nothing_of(with("a", kMorning), with("")));
  EXPECT_TRUE(tells_nothing_of(with("a"), with("", kMorning)));
  EXPECT_FALSE(tells_nothing_of(with("a", kMorning), with("", kMorning)));
  EXPECT_FALSE(tells_nothing_of(with("", kMorning), with("")));
  ObjectVersion weak;
  weak.weak_etag = "a";
  EXPECT_FALSE(tells_nothing_of(with("a"), weak));
}

TEST(ObjectVersion, MarksThatAreNewAreAdded) {
  ObjectVersion known = with("", kMorning);
  ObjectVersion told = with("a", kEvening);
  told.crc64 = 7;
  told.version_id = "v";
  told.weak_etag = "w";
  EXPECT_TRUE(add_marks(known, told));
  EXPECT_EQ(known.etag, "a");
  EXPECT_EQ(known.last_modified, kMorning);
  EXPECT_EQ(known.crc64, 7u);
  EXPECT_EQ(known.version_id, "v");
  EXPECT_EQ(known.weak_etag, "w");
  EXPECT_FALSE(add_marks(known, told));
  EXPECT_FALSE(add_marks(known, ObjectVersion{}));
}

TEST(ObjectVersion, IsMarkedByAnythingThatTellsVersionsApart) {
  EXPECT_FALSE(with("").is_marked());
  EXPECT_TRUE(with("a").is_marked());
  EXPECT_TRUE(with("", kMorning).is_marked());
}

// Listings have fractions of seconds, headers have not, and either may be rounded.
TEST(ListedVersion, ItsTimeIsComparedToASecond) {
  const ObjectVersion listed =
      version_of({.size = 5, .etag = "a", .last_modified_unix = 1709287200.9});
  EXPECT_TRUE(listed.is_listed);
  EXPECT_EQ(listed.last_modified, kMorning);
  EXPECT_EQ(difference(listed, with("", "Fri, 01 Mar 2024 10:00:01 GMT")), std::nullopt);
  EXPECT_NE(difference(listed, with("", "Fri, 01 Mar 2024 10:00:02 GMT")), std::nullopt);
  EXPECT_EQ(version_of({.size = 5, .etag = "a"}).last_modified, "");
}

}  // namespace
}  // namespace ossmc
