#include "prefetch/learnt_version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace ossmc {
namespace {

using testing::HasSubstr;

ObjectVersion with_etag(std::string etag) {
  ObjectVersion version;
  version.etag = std::move(etag);
  return version;
}

ObjectVersion with_time(std::string last_modified) {
  ObjectVersion version;
  version.last_modified = std::move(last_modified);
  return version;
}

TEST(LearntVersion, IsWhatTheFirstReplyTold) {
  LearntVersion learnt;
  EXPECT_EQ(learnt.told(), nullptr);
  EXPECT_EQ(learnt.take(with_etag("a")), std::nullopt);
  const ObjectVersion* const told = learnt.told();
  ASSERT_NE(told, nullptr);
  EXPECT_EQ(learnt.take(with_etag("a")), std::nullopt);
  EXPECT_EQ(learnt.told(), told);
  EXPECT_EQ(told->etag, "a");
}

TEST(LearntVersion, AReplyOfAnotherVersionIsNotTaken) {
  LearntVersion learnt;
  EXPECT_EQ(learnt.take(with_time("then")), std::nullopt);
  EXPECT_THAT(learnt.take(with_time("now")).value_or(""), HasSubstr("Last-Modified was \"then\""));
  EXPECT_EQ(learnt.told()->last_modified, "then");
}

TEST(LearntVersion, MarksThatOnlyALaterReplyHasAreComparedFromThenOn) {
  LearntVersion learnt;
  EXPECT_EQ(learnt.take(ObjectVersion()), std::nullopt);
  const ObjectVersion* const first = learnt.told();
  EXPECT_EQ(learnt.take(with_time("then")), std::nullopt);
  EXPECT_EQ(first->last_modified, "");  // somebody may look at it
  EXPECT_EQ(learnt.told()->last_modified, "then");
  EXPECT_EQ(learnt.take(ObjectVersion()), std::nullopt);
  EXPECT_NE(learnt.take(with_time("now")), std::nullopt);
}

TEST(LearntVersion, AReplyThatTellsNothingOfAStrongEtagIsNotTaken) {
  LearntVersion learnt;
  EXPECT_EQ(learnt.take(with_etag("a")), std::nullopt);
  EXPECT_THAT(learnt.take(ObjectVersion()).value_or(""), HasSubstr("tells nothing of it"));
}

TEST(LearntVersion, NeverSaysMoreThanWasChecked) {
  LearntVersion learnt;
  EXPECT_EQ(learnt.checked_by(), "length+etag");  // the listing's
  ObjectVersion both = with_etag("a");
  both.last_modified = "then";
  EXPECT_EQ(learnt.take(both), std::nullopt);
  EXPECT_EQ(learnt.checked_by(), "length+etag");
  EXPECT_EQ(learnt.take(with_time("then")), std::nullopt);
  EXPECT_EQ(learnt.checked_by(), "length+modified");
  EXPECT_EQ(learnt.take(both), std::nullopt);
  EXPECT_EQ(learnt.checked_by(), "length+modified");
}

TEST(LearntVersion, IsOneWhenManyTellAtOnce) {
  LearntVersion learnt;
  std::vector<std::thread> threads;
  std::atomic<int> taken{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      if (!learnt.take(with_etag(std::to_string(i)))) ++taken;
      if (!learnt.take(with_etag(learnt.told()->etag))) ++taken;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 1 + 4);
}

// None is lost where two tell different marks at once.
TEST(LearntVersion, KeepsTheMarksOfAll) {
  for (int round = 0; round < 50; ++round) {
    LearntVersion learnt;
    std::thread other([&] { EXPECT_EQ(learnt.take(with_etag("a")), std::nullopt); });
    ObjectVersion version;
    version.weak_etag = "a";
    version.last_modified = "then";
    EXPECT_EQ(learnt.take(version), std::nullopt);
    other.join();
    EXPECT_EQ(learnt.told()->etag, "a");
    EXPECT_EQ(learnt.told()->last_modified, "then");
  }
}

}  // namespace
}  // namespace ossmc
