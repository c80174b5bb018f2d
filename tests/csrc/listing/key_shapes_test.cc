// The shapes that listings are judged by are what they claim to be.
#include "support/csrc/key_shapes.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "base/utf8.h"

namespace ossmc {
namespace {

constexpr std::uint64_t kSizes[] = {0, 1, 2, 3, 999, 1000, 1001, 2001, 20'000};

TEST(KeyShapes, KeysIncreaseAndAreKeys) {
  for (const auto& [name, is_even] : key_shape_names()) {
    for (const std::uint64_t size : kSizes) {
      const auto shape = make_key_shape(name, size);
      ASSERT_EQ(shape->size(), size);
      std::string before;
      for (std::uint64_t i = 0; i < size; ++i) {
        const std::string key = shape->key(i);
        ASSERT_LT(before, key) << name << " of " << size << ", key " << i;
        ASSERT_TRUE(is_utf8(key)) << name << " of " << size << ", key " << i;
        ASSERT_LE(key.size(), 1023u) << name << " of " << size << ", key " << i;
        ASSERT_TRUE(key.starts_with(shape->prefix())) << key;
        before = key;
      }
    }
  }
}

// Where all of them would take too long: neighbours, here and there.
TEST(KeyShapes, ManyKeysIncreaseToo) {
  for (const auto& [name, is_even] : key_shape_names()) {
    for (const std::uint64_t size : {std::uint64_t{1'000'000}, std::uint64_t{100'000'000}}) {
      const auto shape = make_key_shape(name, size);
      for (std::uint64_t i = 0; i < 2000; ++i) {
        const std::uint64_t index = i * (size - 2) / 1999;
        const std::string key = shape->key(index), next = shape->key(index + 1);
        ASSERT_LT(key, next) << name << " of " << size << ", key " << index;
        ASSERT_TRUE(is_utf8(next)) << name << " of " << size << ", key " << index + 1;
        ASSERT_LE(next.size(), 1023u) << name << " of " << size << ", key " << index + 1;
      }
    }
  }
}

TEST(KeyShapes, PagesHoldEachKeyOnce) {
  for (const auto& [name, is_even] : key_shape_names()) {
    for (const std::uint64_t size : kSizes) {
      const auto shape = make_key_shape(name, size);
      KeyPage page;
      std::string after;
      std::uint64_t next = 0;
      do {
        page.fill(*shape, after, 1000);
        for (std::size_t i = 0; i < page.keys().size(); ++i) {
          ASSERT_EQ(page.indices()[i], next);
          ASSERT_EQ(page.keys()[i], shape->key(next));
          ++next;
        }
        ASSERT_EQ(page.is_truncated(), next < size) << name << " of " << size;
        if (!page.keys().empty()) after = page.keys().back();
      } while (page.is_truncated());
      ASSERT_EQ(next, size) << name;
    }
  }
}

TEST(KeyShapes, FirstBehindIsStrict) {
  const auto shape = make_key_shape("flat_numbered", 1000);
  EXPECT_EQ(shape->first_behind(""), 0u);
  EXPECT_EQ(shape->first_behind(shape->key(0)), 1u);
  EXPECT_EQ(shape->first_behind(shape->key(7) + "x"), 8u);
  EXPECT_EQ(shape->first_behind(shape->key(999)), 1000u);
  EXPECT_EQ(shape->first_behind("zzz"), 1000u);
}

}  // namespace
}  // namespace ossmc
