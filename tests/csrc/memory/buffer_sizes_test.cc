#include "memory/buffer_sizes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "support/csrc/resident.h"

namespace ossmc {
namespace {

constexpr std::size_t kSlots[] = {
    1,          kKiB, 100 * kKiB,   256 * kKiB - 1, 256 * kKiB, 512 * kKiB - 1,
    512 * kKiB, kMiB, 3 * kMiB + 7, 8 * kMiB,       1024 * kMiB};

// Lengths around each power of two and each eighth of one, and random ones.
std::vector<std::size_t> lengths_up_to(std::size_t slot) {
  std::mt19937_64 random(7);
  std::vector<std::size_t> lengths = {0, 1, slot / 2, slot / 2 + 1, slot - 1, slot};
  for (std::size_t base = 8; base <= slot; base *= 2) {
    for (std::size_t at = base; at < 2 * base; at += base / 8) {
      for (const std::size_t length : {at - 1, at, at + 1}) {
        if (length <= slot) lengths.push_back(length);
      }
    }
  }
  for (int i = 0; i < 200; ++i) lengths.push_back(random() % (slot + 1));
  std::sort(lengths.begin(), lengths.end());
  return lengths;
}

// Before, it was a slot of 8 MiB.
TEST(BufferSizes, WhatIsALittleMoreThanHalfASlotTakesLittleMore) {
  const BufferSizes sizes(8 * kMiB, 4096);
  EXPECT_EQ(sizes.size_for(4 * kMiB + 1), 4 * kMiB + 512 * kKiB);
  EXPECT_EQ(sizes.size_for(7 * kMiB + 512 * kKiB), 7 * kMiB + 512 * kKiB);
  EXPECT_EQ(sizes.size_for(7 * kMiB + 512 * kKiB + 1), 8 * kMiB);
}

TEST(BufferSizes, AreLargeEnoughAndNotMuchLarger) {
  for (const std::size_t slot : kSlots) {
    const BufferSizes sizes(slot, 4096);
    std::size_t before = 0;
    for (const std::size_t length : lengths_up_to(slot)) {
      const std::size_t size = sizes.size_for(length);
      ASSERT_GE(size, length) << slot;
      ASSERT_LE(size, length + std::max<std::size_t>(length / 8, 64)) << length << " of " << slot;
      ASSERT_GE(size, before) << "more bytes never get less";
      ASSERT_EQ(sizes.size_for(std::min(size, slot)), size) << "a freed one fits again";
      before = size;
    }
    EXPECT_EQ(before, sizes.slot_size());
    EXPECT_LT(sizes.slot_size(), slot + 4096);
  }
}

TEST(BufferSizes, MappedOnesAreWholePagesWhateverAPageIs) {
  for (const std::size_t page : {4 * kKiB, 16 * kKiB, 64 * kKiB}) {
    for (const std::size_t slot : kSlots) {
      const BufferSizes sizes(slot, page);
      for (const std::size_t length : lengths_up_to(slot)) {
        const std::size_t size = sizes.size_for(length);
        if (sizes.is_mapped(size)) {
          ASSERT_EQ(size % page, 0u) << length << " of " << slot << ", pages of " << page;
        }
      }
    }
  }
}

TEST(BufferSizes, EachSizeHasAShelfOfItsOwn) {
  for (const std::size_t page : {4 * kKiB, 64 * kKiB}) {
    for (const std::size_t slot : kSlots) {
      const BufferSizes sizes(slot, page);
      std::map<std::size_t, std::size_t> size_on;  // by shelf
      for (const std::size_t length : lengths_up_to(slot)) {
        const std::size_t size = sizes.size_for(length);
        const std::size_t shelf = sizes.shelf_of(size);
        if (shelf == BufferSizes::kNoShelf) {
          ASSERT_FALSE(sizes.is_mapped(size));
          continue;
        }
        ASSERT_LT(shelf, sizes.shelf_count());
        ASSERT_EQ(size_on.emplace(shelf, size).first->second, size) << slot;
      }
      EXPECT_EQ(size_on.at(sizes.shelf_count() - 1), sizes.slot_size());
    }
  }
}

}  // namespace
}  // namespace ossmc
