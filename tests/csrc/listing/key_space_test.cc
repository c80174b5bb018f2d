#include "listing/key_space.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"

namespace ossmc {
namespace {

KeySpace space_of(const std::vector<std::string>& keys, const std::string& prefix = "") {
  KeySpace space(prefix);
  for (const std::string& key : keys) space.learn(key);
  return space;
}

TEST(KeySpace, NumbersAreInTheOrderOfTheKeys) {
  std::vector<std::string> keys{"a",   "a/",      "a/b", "a/ü",       "b",
                                "b10", "b2",      "ba",  "数据/模型", "数据/权重",
                                "😀",  "😀/file", "B",   "~",         "a/b/c/d"};
  const KeySpace space = space_of(keys);
  std::sort(keys.begin(), keys.end());
  for (std::size_t i = 1; i < keys.size(); ++i)
    EXPECT_LT(space.number_of(keys[i - 1]), space.number_of(keys[i])) << keys[i];
}

// Up to what any key like it has at its end.
TEST(KeySpace, SpellsWhatItNumbered) {
  const std::vector<std::string> keys{"p/000123.bin", "p/000999.bin", "p/104/数据", "p/x"};
  const KeySpace space = space_of(keys, "p/");
  for (const std::string& key : keys) {
    const std::string spelt = space.spell(space.number_of(key));
    EXPECT_TRUE(key.starts_with(spelt)) << spelt;
    EXPECT_EQ(space.number_of(spelt), space.number_of(key));
  }
}

TEST(KeySpace, OneSymbolAtAPlaceCostsNothing) {
  const std::string common(1000, 'x');
  const KeySpace space = space_of({common + "10", common + "23"});
  const auto whole = space.end();
  EXPECT_LT(space.log2_of(whole), 8.0);
  const auto half = space.scaled(whole, 1, 2);
  EXPECT_EQ(space.spell(half), common + "5");
}

TEST(KeySpace, DigitsAndLettersAreCompletedOnceTwoOccurred) {
  const auto size_of = [](const std::vector<std::string>& keys) {
    const KeySpace space = space_of(keys);
    return static_cast<int>(std::lround(std::exp2(space.log2_of(space.end()))));
  };
  EXPECT_EQ(size_of({"1"}), 1);
  EXPECT_EQ(size_of({"1", "2"}), 10);
  EXPECT_EQ(size_of({"a", "f"}), 6);
  EXPECT_EQ(size_of({"a", "g"}), 26);
  EXPECT_EQ(size_of({"1", "2", "a", "b"}), 16);
  EXPECT_EQ(size_of({"A", "B", "z", "y"}), 6 + 26);
  EXPECT_EQ(size_of({"-", "_"}), 2);
  EXPECT_GT(size_of({"数", "据"}), 100);
}

TEST(KeySpace, LearnsMoreUntilItHasSeenIt) {
  KeySpace space("");
  space.learn("k1");
  const auto first = space.version();
  space.learn("k1");
  EXPECT_EQ(space.version(), first);
  space.learn("k2");
  EXPECT_GT(space.version(), first);
  const auto second = space.version();
  space.learn("k7");  // expected by then
  EXPECT_EQ(space.version(), second);
}

TEST(KeySpace, ArithmeticOnNumbersOfAnyLength) {
  std::vector<std::string> keys;
  std::mt19937 random(1);
  for (int i = 0; i < 50; ++i) {
    std::string key;
    for (int k = 0; k < 200; ++k) key.push_back("0123456789abcdef"[random() % 16]);
    keys.push_back(key);
  }
  const KeySpace space = space_of(keys);
  for (std::size_t i = 0; i + 1 < keys.size(); ++i) {
    auto a = space.number_of(keys[i]);
    auto b = space.number_of(keys[i + 1]);
    if (a < b) std::swap(a, b);
    const auto difference = space.difference(a, b);
    EXPECT_EQ(space.sum(b, difference), a);
    EXPECT_EQ(space.scaled(difference, 7, 7), difference);
    const auto third = space.scaled(difference, 1, 3);
    EXPECT_LE(space.sum(space.sum(third, third), third), difference);
    EXPECT_LE(space.scaled(difference, 1, 3), space.scaled(difference, 2, 3));
    EXPECT_NEAR(space.log2_of(third), space.log2_of(difference) - 1.585, 0.01);
  }
}

TEST(KeySpace, PowersOfTwoHaveThatLogarithm) {
  const KeySpace space = space_of({"000/aa/zz", "111/bb/yy", "999/ff/gg"});
  const double most = space.log2_of(space.end());
  for (double exponent = 0.0; exponent < most; exponent += 0.7) {
    const auto number = space.power_of_two(exponent);
    EXPECT_NEAR(space.log2_of(number), exponent, 1.01) << exponent;
  }
  EXPECT_EQ(space.log2_of(space.power_of_two(0.0)), 0.0);
}

TEST(KeySpace, WhatItNeverSawStillHasANumberInOrder) {
  const KeySpace space = space_of({"b1", "d1", "d2"});
  std::vector<std::string> keys{"a", "b1", "c", "c9", "d1", "d15", "d2", "e", "zzz"};
  for (std::size_t i = 1; i < keys.size(); ++i)
    EXPECT_LE(space.number_of(keys[i - 1]), space.number_of(keys[i])) << keys[i];
}

TEST(KeySpace, EveryNumberSpellsValidUtf8) {
  const KeySpace space = space_of({"é数😀a", "ü据🚀b", "ñ模😃", "x"});
  const auto whole = space.end();
  for (std::uint32_t k = 0; k < 500; ++k) {
    EXPECT_TRUE(is_utf8(space.spell(space.scaled(whole, k, 500)))) << k;
  }
}

}  // namespace
}  // namespace ossmc
