#include "prefetch/learnt_version.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace ossmc {
namespace {

ObjectVersion version_of(std::string id) {
  ObjectVersion version;
  version.version_id = std::move(id);
  return version;
}

TEST(LearntVersion, IsWhatTheFirstReplyTold) {
  LearntVersion learnt;
  EXPECT_EQ(learnt.told(), nullptr);
  learnt.tell(version_of("first"));
  const ObjectVersion* const told = learnt.told();
  ASSERT_NE(told, nullptr);
  learnt.tell(version_of("second"));
  EXPECT_EQ(learnt.told(), told);
  EXPECT_EQ(told->version_id, "first");
}

TEST(LearntVersion, IsOneWhenManyTellAtOnce) {
  LearntVersion learnt;
  std::vector<const ObjectVersion*> seen(4);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    threads.emplace_back([&, i] {
      learnt.tell(version_of(std::to_string(i)));
      seen[i] = learnt.told();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const ObjectVersion* one : seen) EXPECT_EQ(one, learnt.told());
}

}  // namespace
}  // namespace ossmc
