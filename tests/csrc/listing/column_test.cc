#include "listing/column.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <new>

namespace ossmc {
namespace {

TEST(Column, HoldsWhatIsPutIn) {
  Column<std::int64_t> column;
  EXPECT_TRUE(column.empty());
  EXPECT_TRUE(column.span().empty());
  for (std::int64_t i = 0; i < 100'000; ++i) column.push_back(i);
  const std::int64_t more[] = {-1, -2};
  column.append(more);
  column.append({});
  column.extend(1)[0] = -3;
  ASSERT_EQ(column.size(), 100'003u);
  for (std::size_t i = 0; i < 100'000; ++i) ASSERT_EQ(column[i], static_cast<std::int64_t>(i));
  EXPECT_EQ(column[100'000], -1);
  EXPECT_EQ(column.back(), -3);
}

TEST(Column, ItsOwnValueMayBeAppended) {
  Column<int> column;
  column.push_back(7);
  for (int i = 0; i < 1000; ++i) column.push_back(column.back());
  EXPECT_EQ(column.back(), 7);
}

TEST(Column, RoomIsTakenAndGivenBack) {
  Column<std::uint32_t> column;
  column.shrink_to_fit();
  EXPECT_EQ(column.capacity_bytes(), 0u);
  column.reserve(10);
  EXPECT_EQ(column.capacity_bytes(), 40u);
  column.reserve(5);
  EXPECT_EQ(column.capacity_bytes(), 40u);
  column.push_back(1);
  column.shrink_to_fit();
  EXPECT_EQ(column.capacity_bytes(), 4u);
  EXPECT_EQ(column[0], 1u);
  Column<std::uint32_t> empty;
  empty.reserve(10);
  empty.shrink_to_fit();
  EXPECT_EQ(empty.capacity_bytes(), 0u);
}

TEST(Column, Moves) {
  Column<char> column;
  column.append(std::string_view("abc"));
  Column<char> other(std::move(column));
  EXPECT_EQ(other.size(), 3u);
  column = std::move(other);
  EXPECT_EQ(column[2], 'c');
}

TEST(Column, MoreThanThereCanBeIsBadAlloc) {
  Column<std::int64_t> column;
  column.push_back(1);
  EXPECT_THROW(column.extend(std::numeric_limits<std::size_t>::max()), std::bad_alloc);
  EXPECT_THROW(column.extend(std::numeric_limits<std::size_t>::max() / 8), std::bad_alloc);
  EXPECT_EQ(column.size(), 1u);
}

}  // namespace
}  // namespace ossmc
