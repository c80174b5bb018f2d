#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

namespace ossmc {
namespace {

TEST(Random, TheSameSeedGivesTheSameSequence) {
  const auto a = make_seeded_random(42);
  const auto b = make_seeded_random(42);
  const auto c = make_seeded_random(43);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const double value = a->uniform();
    EXPECT_EQ(value, b->uniform());
    differs |= value != c->uniform();
  }
  EXPECT_TRUE(differs);
}

TEST(Random, IsUniformInTheHalfOpenUnitInterval) {
  const auto random = make_seeded_random(1);
  std::array<int, 10> buckets{};
  for (int i = 0; i < 100'000; ++i) {
    const double value = random->uniform();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    ++buckets[static_cast<std::size_t>(value * 10)];
  }
  // 10,000 expected, standard deviation 95; the seed is fixed, so this cannot flicker.
  for (const int count : buckets) EXPECT_NEAR(count, 10'000, 500);
}

TEST(Random, TwoSystemRandomsDiffer) {
  EXPECT_NE(make_system_random()->uniform(), make_system_random()->uniform());
}

TEST(Random, ThreadsNeverGetTheSameNumberTwice) {
  const auto random = make_seeded_random(5);
  constexpr std::size_t kEach = 10'000;
  std::array<std::vector<double>, 3> drawn;
  {
    std::vector<std::jthread> threads;
    for (auto& mine : drawn) {
      threads.emplace_back([&random, &mine] {
        for (std::size_t i = 0; i < kEach; ++i) mine.push_back(random->uniform());
      });
    }
  }
  std::vector<double> all;
  for (const auto& mine : drawn) all.insert(all.end(), mine.begin(), mine.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
}

}  // namespace
}  // namespace ossmc
