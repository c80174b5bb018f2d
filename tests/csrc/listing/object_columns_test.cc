#include "listing/object_columns.h"

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <type_traits>

namespace ossmc {
namespace {

ListedObject object(std::string key, std::string etag = "5B3C1A2E053D763E1B002CC607C5A0FE") {
  return {std::move(key), 7, std::move(etag), 1330064868.5, "Standard"};
}

bool same(const ListedObject& a, const ListedObject& b) {
  return a.key == b.key && a.size == b.size && a.etag == b.etag &&
         a.last_modified_unix == b.last_modified_unix && a.storage_class == b.storage_class;
}

TEST(ObjectColumns, GiveBackWhatWasPutIn) {
  const ListedObject rows[] = {
      {"a", 0, "5B3C1A2E053D763E1B002CC607C5A0FE", 0.0, "Standard"},
      {std::string("b\0\xff", 3), 1ULL << 50, "5B3C1A2E053D763E1B002CC607C5A0FE-17", 1330064868.123,
       "IA"},
      {"c", static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()), "", -1.5, ""},
      {"d", 5, "not an md5 at all", 2.0, "Standard"},
      {"", 5, "", 2.0, "Archive"},
  };
  ObjectColumns columns;
  EXPECT_TRUE(columns.empty());
  for (const ListedObject& row : rows) columns.append(row);
  ASSERT_EQ(columns.size(), std::size(rows));
  for (std::size_t i = 0; i < columns.size(); ++i) EXPECT_TRUE(same(columns.row(i), rows[i])) << i;
  columns.shrink_to_fit();
  for (std::size_t i = 0; i < columns.size(); ++i) EXPECT_TRUE(same(columns.row(i), rows[i])) << i;
}

TEST(ObjectColumns, EveryFormOfEtagComesBackAsItWas) {
  const std::string md5 = "5b3C1A2E053D763E1B002CC607C5A0FE";
  const std::string etags[] = {
      "00000000000000000000000000000000",
      "5B3C1A2E053D763E1B002CC607C5A0FE",
      "5b3c1a2e053d763e1b002cc607c5a0fe",
      md5,  // mixed case
      "5B3C1A2E053D763E1B002CC607C5A0F",
      "5B3C1A2E053D763E1B002CC607C5A0FEA",
      "5B3C1A2E053D763E1B002CC607C5A0FG",
      "5B3C1A2E053D763E1B002CC607C5A0FE-1",
      "5b3c1a2e053d763e1b002cc607c5a0fe-10000",
      "5B3C1A2E053D763E1B002CC607C5A0FE-",
      "5B3C1A2E053D763E1B002CC607C5A0FE-0",
      "5B3C1A2E053D763E1B002CC607C5A0FE-01",
      "5B3C1A2E053D763E1B002CC607C5A0FE-1x",
      "5B3C1A2E053D763E1B002CC607C5A0FE-1073741823",
      "5B3C1A2E053D763E1B002CC607C5A0FE-1073741824",
      "5B3C1A2E053D763E1B002CC607C5A0FE-99999999999999999999",
      "5B3C1A2E053D763E1B002CC607C5A0FE--1",
      std::string("\0\xff", 2),
      std::string(5000, 'e'),
  };
  ObjectColumns columns;
  for (const std::string& etag : etags) columns.append(object("k", etag));
  for (std::size_t i = 0; i < std::size(etags); ++i) EXPECT_EQ(columns.etag(i), etags[i]);
}

TEST(ObjectColumns, BuffersLieAsDocumented) {
  ObjectColumns columns;
  EXPECT_EQ(columns.key_offsets().size(), 1u);
  columns.append(object("ab"));
  columns.append(object(""));
  columns.append(object("cde"));
  EXPECT_EQ(columns.key_bytes(), "abcde");
  const std::int64_t offsets[] = {0, 2, 2, 5};
  EXPECT_TRUE(std::equal(columns.key_offsets().begin(), columns.key_offsets().end(),
                         std::begin(offsets), std::end(offsets)));
  EXPECT_EQ(columns.sizes().size(), 3u);
  EXPECT_EQ(columns.sizes()[2], 7);
  EXPECT_EQ(columns.key(1), "");
  EXPECT_EQ(columns.key(2), "cde");
}

TEST(ObjectColumns, ManyStorageClassesKeepTheirNames) {
  ObjectColumns columns;
  for (int i = 0; i < 3000; ++i) {
    ListedObject row = object("k");
    row.storage_class = "class-" + std::to_string(i % 1000);
    columns.append(row);
  }
  for (std::size_t i = 0; i < 3000; ++i)
    EXPECT_EQ(columns.storage_class(i), "class-" + std::to_string(i % 1000));
}

TEST(ObjectColumns, SortedMeansStrictlyByUnsignedBytes) {
  ObjectColumns columns;
  EXPECT_TRUE(columns.is_strictly_sorted());
  for (const char* key :
       {"a", "a\x01", "aa", "b", "\x7f", "\x80", "\xc3\xa4", "\xf0\x9f\x98\x80"}) {
    columns.append(object(key));
    EXPECT_TRUE(columns.is_strictly_sorted()) << key;
  }
  columns.append(object("\xf0\x9f\x98\x80"));  // twice
  EXPECT_FALSE(columns.is_strictly_sorted());
}

TEST(ObjectColumns, MoveOnlyAndSharable) {
  static_assert(!std::is_copy_constructible_v<ObjectColumns> &&
                !std::is_copy_assignable_v<ObjectColumns>);
  static_assert(std::is_nothrow_move_constructible_v<ObjectColumns>);
  ObjectColumns columns;
  columns.append(object("k"));
  const auto shared = std::make_shared<const ObjectColumns>(std::move(columns));
  EXPECT_EQ(shared->row(0).key, "k");
  columns = ObjectColumns();
  columns.append(object("again"));
  EXPECT_EQ(columns.key(0), "again");
}

TEST(ObjectColumns, ARowOfSixtyBytesTakesAtMost160) {
  constexpr std::size_t kRows = 100'000;
  ObjectColumns columns;
  for (std::size_t i = 0; i < kRows; ++i) {
    const std::string number = std::to_string(i);
    columns.append(object(std::string(60 - number.size(), 'k') + number,
                          "5B3C1A2E053D763E1B002CC607C5A0FE-12"));
  }
  columns.shrink_to_fit();
  EXPECT_LE(columns.heap_bytes(), kRows * 110);
}

}  // namespace
}  // namespace ossmc
