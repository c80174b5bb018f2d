#include "listing/object_columns.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace ossmc {
namespace {

constexpr std::string_view kMd5 = "5B3C1A2E053D763E1B002CC607C5A0FE";

ListedObject object(std::string_view key, std::string_view etag = kMd5) {
  return {key, 7, etag, 1330064868.5, "Standard"};
}

bool is_row(const ObjectColumns& columns, std::size_t i, const ListedObject& object) {
  return columns.key(i) == object.key && columns.object_size(i) == object.size &&
         columns.etag(i) == object.etag &&
         columns.last_modified_unix(i) == object.last_modified_unix &&
         columns.storage_class(i) == object.storage_class;
}

TEST(ObjectColumns, GiveBackWhatWasPutIn) {
  const ListedObject rows[] = {
      {"a", 0, "5B3C1A2E053D763E1B002CC607C5A0FE", 0.0, "Standard"},
      {std::string_view("b\0\xff", 3), 1ULL << 50, "5B3C1A2E053D763E1B002CC607C5A0FE-17",
       1330064868.123, "IA"},
      {"c", static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()), "", -1.5, ""},
      {"d", 5, "not an md5 at all", 2.0, "Standard"},
      {"", 5, "", 2.0, "Archive"},
  };
  ObjectColumns columns;
  EXPECT_TRUE(columns.empty());
  for (const ListedObject& row : rows) columns.append(row);
  ASSERT_EQ(columns.size(), std::size(rows));
  for (std::size_t i = 0; i < columns.size(); ++i) EXPECT_TRUE(is_row(columns, i, rows[i])) << i;
  columns.shrink_to_fit();
  for (std::size_t i = 0; i < columns.size(); ++i) EXPECT_TRUE(is_row(columns, i, rows[i])) << i;
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
    const std::string name = "class-" + std::to_string(i % 1000);
    row.storage_class = name;
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

// 0 to n - 1 with ETags and storage classes of several kinds.
ObjectColumns several(int n, int first_class = 0) {
  ObjectColumns columns;
  for (int i = 0; i < n; ++i) {
    const std::string key = "key-" + std::to_string(i);
    const std::string etag = i % 3 == 0 ? "odd " + key : std::string(kMd5);
    const std::string name = "class-" + std::to_string((first_class + i) % 4);
    columns.append({key, static_cast<std::uint64_t>(i), etag, i + 0.5, name});
  }
  return columns;
}

void expect_rows(const ObjectColumns& columns, std::size_t at, const ObjectColumns& from,
                 const RowRange& rows) {
  ASSERT_LE(at + rows.count, columns.size());
  const auto start = static_cast<std::int64_t>(at);
  EXPECT_TRUE(ObjectColumns::same_rows(columns, {start, 1, rows.count}, from, rows));
  for (std::size_t i = 0; i < rows.count; ++i) {
    const std::size_t j = rows.row(i);
    const std::string etag = from.etag(j);
    EXPECT_TRUE(is_row(columns, at + i,
                       {from.key(j), from.object_size(j), etag, from.last_modified_unix(j),
                        from.storage_class(j)}))
        << i;
  }
}

TEST(ObjectColumns, RowsOfAnotherAreAppended) {
  const ObjectColumns page = several(20);
  const ObjectColumns other = several(9, 2);  // the same classes by other ids
  ObjectColumns columns = several(3);
  columns.append_rows(page, 5, 5);
  EXPECT_EQ(columns.size(), 3u);
  columns.append_rows(page, 4, 20);
  columns.append_rows(other, 0, 9);
  columns.append(object("last"));
  ASSERT_EQ(columns.size(), 29u);
  expect_rows(columns, 0, several(3), {0, 1, 3});
  expect_rows(columns, 3, page, {4, 1, 16});
  expect_rows(columns, 19, other, {0, 1, 9});
  EXPECT_TRUE(is_row(columns, 28, object("last")));
}

TEST(ObjectColumns, SelectedRowsAreCopies) {
  const ObjectColumns columns = several(20);
  for (const RowRange& rows : {RowRange{0, 1, 20}, RowRange{7, 1, 5}, RowRange{19, -1, 20},
                               RowRange{18, -3, 7}, RowRange{1, 5, 4}, RowRange{25, 1, 0}}) {
    const ObjectColumns selected = columns.select(rows);
    ASSERT_EQ(selected.size(), rows.count);
    EXPECT_EQ(selected.key_offsets()[0], 0);
    EXPECT_EQ(selected.key_offsets().back(),
              static_cast<std::int64_t>(selected.key_bytes().size()));
    expect_rows(selected, 0, columns, rows);
  }
}

TEST(ObjectColumns, RowRangesAreChecked) {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_TRUE((RowRange{0, 1, 10}.is_within(10)));
  EXPECT_TRUE((RowRange{9, -3, 4}.is_within(10)));
  EXPECT_TRUE((RowRange{9, kMost, 1}.is_within(10)));
  EXPECT_TRUE((RowRange{-5, 3, 0}.is_within(10)));
  for (const RowRange& rows :
       {RowRange{0, 1, 11}, RowRange{1, 1, 10}, RowRange{-1, 1, 1}, RowRange{10, 1, 1},
        RowRange{9, -3, 5}, RowRange{0, 0, 2}, RowRange{0, kMost, 2}, RowRange{9, -kMost - 1, 2},
        RowRange{2, 4, std::numeric_limits<std::size_t>::max()}}) {
    EXPECT_FALSE(rows.is_within(10)) << rows.start << " " << rows.step << " " << rows.count;
  }
}

TEST(ObjectColumns, SameRowsMeansEveryField) {
  const ObjectColumns columns = several(8);
  const ObjectColumns other = several(8, 2);
  EXPECT_FALSE(ObjectColumns::same_rows(columns, {0, 1, 8}, other, {0, 1, 8})) << "classes";
  EXPECT_TRUE(ObjectColumns::same_rows(columns, {7, -1, 8}, several(8), {7, -1, 8}));
  EXPECT_FALSE(ObjectColumns::same_rows(columns, {0, 1, 7}, columns, {1, 1, 7}));
  const ListedObject one{"k", 1, kMd5, 2.0, "c"};
  ListedObject changed[] = {one, one, one, one, one, one};
  changed[0].key = "l";
  changed[1].size = 2;
  changed[2].etag = "5B3C1A2E053D763E1B002CC607C5A0FF";
  changed[3].etag = "x";
  changed[4].last_modified_unix = 3.0;
  changed[5].storage_class = "d";
  ObjectColumns a;
  a.append(one);
  for (const ListedObject& change : changed) {
    ObjectColumns b;
    b.append(change);
    EXPECT_FALSE(ObjectColumns::same_rows(a, {0, 1, 1}, b, {0, 1, 1}));
    EXPECT_FALSE(ObjectColumns::same_rows(b, {0, 1, 1}, a, {0, 1, 1}));
  }
}

// The keys of sorted(), and that each kept its size.
void expect_sorted(const std::vector<std::string>& keys, const RowRange& rows) {
  ObjectColumns columns;
  std::uint64_t size = 0;
  for (const std::string& key : keys) columns.append({key, size++, kMd5, 1.0, "Standard"});
  std::vector<std::pair<std::string, std::uint64_t>> expected;
  for (std::size_t i = 0; i < rows.count; ++i)
    expected.emplace_back(keys[rows.row(i)], columns.object_size(rows.row(i)));
  std::stable_sort(expected.begin(), expected.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  const ObjectColumns sorted = columns.sorted(rows);
  ASSERT_EQ(sorted.size(), rows.count);
  for (std::size_t i = 0; i < rows.count; ++i) {
    EXPECT_EQ(sorted.key(i), expected[i].first);
    EXPECT_EQ(sorted.object_size(i), expected[i].second) << "equal keys keep their order";
  }
}

TEST(ObjectColumns, SortsByKeyAsUnsignedBytes) {
  expect_sorted({}, {});
  expect_sorted({"a"}, {0, 1, 1});
  expect_sorted({"ð", "b", "", "", "a", "a", "aa", "Ã¤", "b", ""}, {0, 1, 10});
  std::mt19937 random(3);
  for (const std::size_t stretch : {1u, 50u, 1000u}) {  // in order so far, then elsewhere
    std::vector<std::string> keys;
    while (keys.size() < 5000) {
      const std::string start = "common/" + std::to_string(random() % 100'000) + "/";
      for (std::size_t i = 0; i < stretch; ++i) keys.push_back(start + std::to_string(10'000 + i));
    }
    expect_sorted(keys, {0, 1, keys.size()});
    expect_sorted(keys, {4999, -7, 700});
    keys[4321] = keys[0];
    expect_sorted(keys, {0, 1, keys.size()});
  }
}

TEST(ObjectColumns, ComeBackFromTheirParts) {
  for (const int rows : {0, 1, 20}) {
    const ObjectColumns columns = several(rows);
    const Result<ObjectColumns> again = ObjectColumns::from_parts(columns.parts());
    ASSERT_TRUE(again.is_ok()) << again.status().message();
    ASSERT_EQ(again->size(), columns.size());
    expect_rows(*again, 0, columns, {0, 1, columns.size()});
  }
}

TEST(ObjectColumns, PartsThatCannotBeAreRefused) {
  const ObjectColumns columns = several(6);
  using Parts = ObjectColumns::Parts;
  std::string_view Parts::*const kTexts[] = {
      &Parts::key_bytes,  &Parts::key_offsets, &Parts::sizes,      &Parts::last_modified,
      &Parts::etag_bytes, &Parts::etag_words,  &Parts::etag_arena, &Parts::storage_class_ids};
  for (std::string_view Parts::*const text : kTexts) {
    for (const std::size_t cut : {std::size_t{1}, std::size_t{8}, (columns.parts().*text).size()}) {
      Parts parts = columns.parts();
      (parts.*text).remove_suffix(cut);
      EXPECT_EQ(ObjectColumns::from_parts(parts).status().code(), StatusCode::kInvalidArgument);
    }
    // Any other bytes: refused, or a listing all of which can be read.
    std::mt19937 random(5);
    for (int round = 0; round < 2000; ++round) {
      Parts parts = columns.parts();
      std::string changed(parts.*text);
      changed[random() % changed.size()] = static_cast<char>(random());
      parts.*text = changed;
      const Result<ObjectColumns> made = ObjectColumns::from_parts(parts);
      if (!made.is_ok()) continue;
      for (std::size_t i = 0; i < made->size(); ++i) {
        (void)made->etag(i).size();
        (void)made->storage_class(i).size();
        EXPECT_LE(made->key(i).size(), made->key_bytes().size());
      }
    }
  }
  Parts twice = columns.parts();
  twice.storage_classes[1] = twice.storage_classes[0];
  EXPECT_FALSE(ObjectColumns::from_parts(twice).is_ok());
  Parts none = columns.parts();
  none.storage_classes.clear();
  EXPECT_FALSE(ObjectColumns::from_parts(none).is_ok());
  EXPECT_FALSE(ObjectColumns::from_parts({}).is_ok());
}

TEST(ObjectColumns, MoveOnlyAndSharable) {
  static_assert(!std::is_copy_constructible_v<ObjectColumns> &&
                !std::is_copy_assignable_v<ObjectColumns>);
  static_assert(std::is_nothrow_move_constructible_v<ObjectColumns>);
  ObjectColumns columns;
  columns.append(object("k"));
  const auto shared = std::make_shared<const ObjectColumns>(std::move(columns));
  EXPECT_EQ(shared->key(0), "k");
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
