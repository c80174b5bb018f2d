#include "prefetch/nearby_bytes.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

namespace ossmc {
namespace {

TEST(NearbyBytes, HasWhatLiesInsideAndNoMore) {
  const auto room = std::make_shared<NearbyRoom>(1000);
  const auto nearby = NearbyBytes::make(room, 500, 100);
  ASSERT_NE(nearby, nullptr);
  EXPECT_EQ(nearby->end(), 600U);
  EXPECT_TRUE(nearby->has(500, 100));
  EXPECT_TRUE(nearby->has(599, 1));
  EXPECT_TRUE(nearby->has(600, 0));
  EXPECT_FALSE(nearby->has(499, 10));
  EXPECT_FALSE(nearby->has(500, 101));
  EXPECT_FALSE(nearby->has(599, 2));
  EXPECT_FALSE(nearby->has(600, 1));
  EXPECT_FALSE(nearby->has(0, 1));
  EXPECT_FALSE(nearby->has(UINT64_MAX, 1));
  EXPECT_FALSE(nearby->has(550, SIZE_MAX));
}

TEST(NearbyBytes, AreFoundByTheirPlaceInTheObject) {
  const auto nearby = NearbyBytes::make(std::make_shared<NearbyRoom>(1000), 500, 5);
  ASSERT_NE(nearby, nullptr);
  std::memcpy(nearby->data(), "abcde", 5);
  const auto bytes = nearby->at(502, 3);
  EXPECT_EQ(std::memcmp(bytes.data(), "cde", 3), 0);
  EXPECT_EQ(bytes.size(), 3U);
}

TEST(NearbyBytes, AreFoundFromAPlaceToTheirEnd) {
  const auto nearby = NearbyBytes::make(std::make_shared<NearbyRoom>(1000), 500, 5);
  ASSERT_NE(nearby, nullptr);
  std::memcpy(nearby->data(), "abcde", 5);
  EXPECT_EQ(std::memcmp(nearby->from(502).data(), "cde", 3), 0);
  EXPECT_EQ(nearby->from(502).size(), 3U);
  EXPECT_EQ(nearby->from(504).size(), 1U);
}

TEST(LastNearbyBytes, AreTheTwoThatCameLast) {
  const auto room = std::make_shared<NearbyRoom>(10'000);
  LastNearbyBytes last;
  EXPECT_EQ(last.at(0), nullptr);
  const std::shared_ptr<const NearbyBytes> one = NearbyBytes::make(room, 0, 10);
  const std::shared_ptr<const NearbyBytes> two = NearbyBytes::make(room, 10, 10);
  const std::shared_ptr<const NearbyBytes> three = NearbyBytes::make(room, 20, 10);
  last.add(one);
  last.add(two);
  EXPECT_EQ(last.at(9), one);
  EXPECT_EQ(last.at(10), two);
  EXPECT_EQ(last.at(20), nullptr);
  last.add(three);
  EXPECT_EQ(last.at(9), nullptr);
  EXPECT_EQ(last.at(10), two);
  last.drop_older();
  EXPECT_EQ(last.at(10), nullptr);
  EXPECT_EQ(last.at(29), three);
  last.clear();
  EXPECT_EQ(last.at(29), nullptr);
}

TEST(LastNearbyBytes, OfTwoThatHaveAByteTheLaterOneGivesIt) {
  const auto room = std::make_shared<NearbyRoom>(10'000);
  LastNearbyBytes last;
  last.add(NearbyBytes::make(room, 0, 10));
  const std::shared_ptr<const NearbyBytes> later = NearbyBytes::make(room, 5, 10);
  last.add(later);
  EXPECT_EQ(last.at(5), later);
}

TEST(NearbyRoom, GivesAQuarterOfWhatIsLeftAtMost) {
  NearbyRoom room(1000);
  EXPECT_FALSE(room.try_take(251));
  EXPECT_TRUE(room.try_take(250));
  EXPECT_FALSE(room.try_take(188));
  EXPECT_TRUE(room.try_take(187));
  room.give_back(437);
  EXPECT_TRUE(room.try_take(250));
}

TEST(NearbyRoom, OfNothingIsNothingToBeHad) {
  NearbyRoom room(0);
  EXPECT_FALSE(room.try_take(1));
  EXPECT_FALSE(room.try_take(UINT64_MAX));
}

TEST(NearbyBytes, WithoutRoomThereAreNone) {
  const auto room = std::make_shared<NearbyRoom>(1000);
  EXPECT_EQ(NearbyBytes::make(room, 0, 251), nullptr);
  EXPECT_TRUE(room->try_take(250));  // what was refused took nothing
}

TEST(NearbyBytes, GiveTheirRoomBackWithTheLastWhoHasThem) {
  const auto room = std::make_shared<NearbyRoom>(1000);
  std::shared_ptr<const NearbyBytes> nearby = NearbyBytes::make(room, 0, 250);
  ASSERT_NE(nearby, nullptr);
  auto other = nearby;
  nearby = nullptr;
  EXPECT_FALSE(room->try_take(250));
  other = nullptr;
  EXPECT_TRUE(room->try_take(250));
}

TEST(NearbyBytes, MayOutliveWhoeverMadeTheRoom) {
  auto room = std::make_shared<NearbyRoom>(1000);
  const auto nearby = NearbyBytes::make(std::move(room), 0, 100);
  ASSERT_NE(nearby, nullptr);
  EXPECT_EQ(nearby->end(), 100U);
}

}  // namespace
}  // namespace ossmc
