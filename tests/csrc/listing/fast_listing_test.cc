// FastListing, held to its bars: in virtual time, against every shape of keys, on good days and bad
// ones (support/csrc/list_simulation.h).
#include "listing/fast_listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "support/csrc/key_shapes.h"
#include "support/csrc/list_simulation.h"
#include "support/csrc/long_run.h"

namespace ossmc {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kThousandPages = 1'000'000;
constexpr std::uint64_t kTenThousandPages = 10'000'000;
constexpr std::uint64_t kSmallSizes[] = {0, 1, 999, 1000, 1001, 2001, 20'000};

std::string describe(const KeyShape& shape, const ListOutcome& outcome) {
  return shape.name() + " of " + std::to_string(shape.size()) +
         " keys: " + std::to_string(outcome.attempts_a_page()) + " requests a page, " +
         std::to_string(outcome.time_over_ideal()) + " x ideal, " +
         std::to_string(outcome.empty_pages) + " empty pages";
}

// Calls check(is_even, shape) for each shape of each size.
template <typename Check>
void for_all_shapes(const std::vector<std::uint64_t>& sizes, Check check) {
  for (const auto& [name, is_even] : key_shape_names())
    for (const std::uint64_t size : sizes) check(is_even, *make_key_shape(name, size));
}

std::vector<std::uint64_t> small_sizes() {
  return {std::begin(kSmallSizes), std::end(kSmallSizes)};
}

std::uint64_t large() { return is_long_run() ? 100'000 : 20'000; }

TEST(FastListing, SmallListingsAreWhole) {
  const std::vector<int> all_slots =
      is_long_run() ? std::vector<int>{1, 2, 32, 256} : std::vector<int>{2, 256};
  for (const int slots : all_slots) {
    for_all_shapes(small_sizes(), [&](bool, const KeyShape& shape) {
      ListConditions conditions;
      conditions.slots = slots;
      const ListOutcome outcome = simulate_fast_list(shape, conditions);
      EXPECT_EQ(outcome.failure, "");
      EXPECT_EQ(outcome.keys, shape.size()) << shape.name();
    });
  }
}

TEST(FastListing, AThousandKeysAreOneRequest) {
  for_all_shapes({0, 1, 999, 1000}, [&](bool, const KeyShape& shape) {
    EXPECT_EQ(simulate_fast_list(shape, {}).attempts, 1u) << shape.name() << shape.size();
  });
}

// Short runs leave out shapes that resemble another: numbers like numbers, one script like the
// next.
bool is_of_its_own(const KeyShape& shape) {
  static const std::set<std::string, std::less<>> kOwn{
      "flat_numbered",    "hex_hashes", "dated_tree",   "prefix_chains",
      "zipf_folders",     "cjk",        "two_clusters", "nested_uuids",
      "unpadded_numbers", "geometric",  "comb",         "one_key_a_folder"};
  return kOwn.count(shape.name()) != 0;
}

TEST(FastListing, AThousandPagesTakeFewRequestsAndLittleTime) {
  for_all_shapes({kThousandPages}, [&](bool is_even, const KeyShape& shape) {
    if (!is_long_run() && !is_of_its_own(shape)) return;
    const ListOutcome outcome = simulate_fast_list(shape, {});
    EXPECT_EQ(outcome.failure, "");
    EXPECT_EQ(outcome.keys, shape.size()) << shape.name();
    EXPECT_LE(outcome.attempts_a_page(), is_even ? 1.25 : 1.5) << describe(shape, outcome);
    // 150 folders, each in the one before: a place in one of them tells nothing of those inside it,
    // which are cut off one by one.
    const double nested = shape.name() == "comb" ? 16.0 : 2.5;
    EXPECT_LE(outcome.time_over_ideal(), is_even ? 1.6 : nested) << describe(shape, outcome);
  });
}

TEST(FastListing, TenThousandPagesTakeHardlyMoreRequestsThanPages) {
  if (!is_long_run()) GTEST_SKIP() << "in long runs";
  for (const std::string_view name :
       {"flat_numbered", "hex_hashes", "dated_tree", "zipf_folders", "words", "unpadded_numbers"}) {
    const auto shape = make_key_shape(name, kTenThousandPages);
    const ListOutcome outcome = simulate_fast_list(*shape, {});
    EXPECT_EQ(outcome.failure, "");
    EXPECT_LE(outcome.attempts_a_page(), 1.1) << describe(*shape, outcome);
  }
}

TEST(FastListing, IsNeverSlowerThanThePlainList) {
  std::vector<std::uint64_t> sizes = small_sizes();
  sizes.push_back(3000);
  std::vector<int> all_slots{32};
  if (is_long_run()) {
    sizes.insert(sizes.end(), {5000, 10'000, 50'000, 100'000});
    all_slots.insert(all_slots.end(), {1, 4, 256});
  }
  for (const int slots : all_slots) {
    for_all_shapes(sizes, [&](bool, const KeyShape& shape) {
      ListConditions conditions;
      conditions.slots = slots;
      const ListOutcome fast = simulate_fast_list(shape, conditions);
      EXPECT_EQ(fast.failure, "");
      const double plain_seconds =
          static_cast<double>(fast.least_pages) * conditions.latency_seconds;
      EXPECT_LE(fast.seconds, 1.05 * plain_seconds) << slots << " slots, " << describe(shape, fast);
    });
  }
}

// What a day's troubles must not do: lose a key, or give one twice.
TEST(FastListing, ShortPagesLoseNothing) {
  ListConditions conditions;
  conditions.short_pages = true;
  const std::uint64_t seeds = is_long_run() ? 3 : 1;
  for (conditions.seed = 1; conditions.seed <= seeds; ++conditions.seed) {
    for_all_shapes({999, 2001, 20'000, large()}, [&](bool, const KeyShape& shape) {
      const ListOutcome outcome = simulate_fast_list(shape, conditions);
      EXPECT_EQ(outcome.failure, "");
      EXPECT_EQ(outcome.keys, shape.size()) << shape.name();
    });
  }
}

void expect_nothing_lost_nor_given_up(ListConditions conditions) {
  conditions.latency_spreads = true;
  for_all_shapes({1, 2001, large()}, [&](bool, const KeyShape& shape) {
    const ListOutcome outcome = simulate_fast_list(shape, conditions);
    EXPECT_EQ(outcome.failure, "");
    EXPECT_EQ(outcome.keys, shape.size()) << shape.name();
    EXPECT_EQ(outcome.given_up, 0u) << shape.name();
  });
}

TEST(FastListing, OneInTenRefusedLosesNothing) {
  ListConditions conditions;
  conditions.throttled_share = 0.1;
  expect_nothing_lost_nor_given_up(conditions);
}

TEST(FastListing, BrokenConnectionsLoseNothing) {
  ListConditions conditions;
  conditions.reset_share = 0.1;
  expect_nothing_lost_nor_given_up(conditions);
}

TEST(FastListing, KeysThereThroughoutComeOnceWhileOthersComeAndGo) {
  const std::vector<double> shares =
      is_long_run() ? std::vector<double>{0.01, 0.5, 1.0} : std::vector<double>{0.5};
  for (const double share : shares) {
    ListConditions conditions;
    conditions.flickering_share = share;
    conditions.latency_spreads = true;
    for_all_shapes({1, 1001, 2001, large()}, [&](bool, const KeyShape& shape) {
      EXPECT_EQ(simulate_fast_list(shape, conditions).failure, "");
    });
  }
}

TEST(FastListing, AllTroublesAtOnce) {
  for (std::uint64_t seed = 1; seed <= (is_long_run() ? 5U : 2U); ++seed) {
    ListConditions conditions;
    conditions.slots = seed % 2 == 0 ? 7 : 64;
    conditions.latency_spreads = true;
    conditions.throttled_share = 0.05;
    conditions.reset_share = 0.05;
    conditions.short_pages = true;
    conditions.flickering_share = 0.1;
    conditions.seed = seed;
    for_all_shapes({20'000}, [&](bool, const KeyShape& shape) {
      EXPECT_EQ(simulate_fast_list(shape, conditions).failure, "");
    });
  }
}

// Of 128 slots at 20 ms, a third is what the store takes: most of the time nothing is refused.
TEST(FastListing, TooManyRequestsASecondAreFoundOut) {
  ListConditions conditions;
  conditions.slots = 128;
  conditions.latency_spreads = true;
  conditions.requests_per_second = 2000;
  for (const std::string_view name : {"flat_numbered", "hex_hashes", "dated_tree"}) {
    const auto shape = make_key_shape(name, is_long_run() ? kTenThousandPages : kThousandPages);
    const ListOutcome outcome = simulate_fast_list(*shape, conditions);
    EXPECT_EQ(outcome.failure, "");
    EXPECT_EQ(outcome.given_up, 0u) << name << ", " << outcome.throttled << " refused";
    EXPECT_LE(outcome.throttled, outcome.pages / 4) << describe(*shape, outcome);
  }
}

// A page of a listing that has asked once.
Result<std::size_t> first_page(const std::string& prefix,
                               const std::vector<std::string_view>& keys) {
  FastListing listing(prefix, 4);
  const std::optional<PageWanted> wanted = listing.next();
  EXPECT_TRUE(wanted.has_value());
  EXPECT_EQ(wanted->after, "");
  return listing.take_page(wanted->id, keys, true);
}

TEST(FastListing, TheFirstRequestGoesAlone) {
  FastListing listing("p/", 32);
  ASSERT_TRUE(listing.next().has_value());
  EXPECT_FALSE(listing.next().has_value());
  EXPECT_EQ(listing.in_flight(), 1);
  EXPECT_FALSE(listing.is_done());
}

TEST(FastListing, AnEmptyPrefixIsDoneAfterAnEmptyPage) {
  FastListing listing("nothing/here/", 32);
  const std::optional<PageWanted> wanted = listing.next();
  ASSERT_TRUE(wanted.has_value());
  const Result<std::size_t> kept = listing.take_page(wanted->id, {}, false);
  ASSERT_TRUE(kept.is_ok());
  EXPECT_EQ(*kept, 0u);
  EXPECT_TRUE(listing.is_done());
  EXPECT_FALSE(listing.next().has_value());
  EXPECT_EQ(listing.in_flight(), 0);
  EXPECT_EQ(listing.pages(), 1u);
  EXPECT_EQ(listing.empty_pages(), 1u);
}

TEST(FastListing, PagesOutOfByteOrderAreRefused) {
  EXPECT_TRUE(first_page("p/", {"p/a", "p/b", "p/c"}).is_ok());
  EXPECT_EQ(first_page("p/", {"p/b", "p/a"}).status().code(), StatusCode::kProtocol);
  EXPECT_EQ(first_page("p/", {"p/a", "p/a"}).status().code(), StatusCode::kProtocol);
  EXPECT_EQ(first_page("p/", {"p/a", "q/a"}).status().code(), StatusCode::kProtocol);
  EXPECT_EQ(first_page("p/", {"a", "p/a"}).status().code(), StatusCode::kProtocol);
  // As UTF-16 would have it: U+1F600 before U+FFEE.
  EXPECT_EQ(first_page("", {"\xF0\x9F\x98\x80", "\xEF\xBF\xAE"}).status().code(),
            StatusCode::kProtocol);
  // As signed bytes would have it.
  EXPECT_EQ(first_page("", {"\xC3\xA9", "a"}).status().code(), StatusCode::kProtocol);
}

TEST(FastListing, APageNotBehindWhereItWasAskedForIsRefused) {
  const auto shape = make_key_shape("flat_numbered", 5000);
  KeyPage page;
  page.fill(*shape, "", 1000);
  FastListing listing("", 32);
  std::optional<PageWanted> wanted = listing.next();
  ASSERT_TRUE(wanted.has_value());
  ASSERT_TRUE(listing.take_page(wanted->id, page.keys(), true).is_ok());
  // The same page again, whatever is asked for.
  wanted = listing.next();
  ASSERT_TRUE(wanted.has_value());
  ASSERT_GT(wanted->after, page.keys().front());
  const Result<std::size_t> kept = listing.take_page(wanted->id, page.keys(), true);
  EXPECT_EQ(kept.status().code(), StatusCode::kProtocol);
}

TEST(FastListing, RefusalsLowerTheNumberOfRequestsAndPagesRaiseIt) {
  const auto shape = make_key_shape("flat_numbered", kThousandPages);
  FastListing listing("", 100);
  EXPECT_EQ(listing.slots_now(), 100);
  std::optional<PageWanted> wanted = listing.next();
  ASSERT_TRUE(wanted.has_value());
  for (int i = 0; i < 1000; ++i) listing.note_throttled();
  const int low = listing.slots_now();
  EXPECT_GE(low, 1);
  EXPECT_LT(low, 100);
  KeyPage page;
  for (; wanted; wanted = listing.next()) {
    page.fill(*shape, wanted->after, FastListing::kPageKeys);
    ASSERT_TRUE(listing.take_page(wanted->id, page.keys(), page.is_truncated()).is_ok());
  }
  EXPECT_TRUE(listing.is_done());
  EXPECT_GT(listing.slots_now(), low);
}

TEST(ListSimulation, ThePlainListIsWholeAndTakesAPageAtATime) {
  for_all_shapes({0, 1, 1000, 1001, 20'000}, [&](bool, const KeyShape& shape) {
    const ListOutcome outcome = simulate_plain_list(shape, {});
    EXPECT_EQ(outcome.failure, "");
    EXPECT_EQ(outcome.keys, shape.size());
    EXPECT_EQ(outcome.attempts, outcome.least_pages);
    EXPECT_NEAR(outcome.seconds, 0.020 * static_cast<double>(outcome.least_pages), 1e-9);
  });
}

// FastListing with a fault, for the judge to find.
enum class Fault { kRowTooFew, kRowTooMany, kEndsEarly, kNeverEnds, kStops };

class FaultyListing final : public ListController {
 public:
  FaultyListing(const std::string& prefix, int slots, Fault fault)
      : listing_(prefix, slots), fault_(fault) {}

  std::optional<PageWanted> next() override {
    if (is_over()) return std::nullopt;
    if (fault_ == Fault::kNeverEnds) {
      if (asked_) return std::nullopt;
      asked_ = true;
      return PageWanted{1, ""};
    }
    return listing_.next();
  }
  Result<std::size_t> take_page(std::uint64_t id, std::span<const std::string_view> keys,
                                bool is_truncated) override {
    if (fault_ == Fault::kNeverEnds) {
      asked_ = false;
      return 0;
    }
    Result<std::size_t> kept = listing_.take_page(id, keys, is_truncated);
    if (!kept.is_ok() || listing_.pages() < 3) return kept;
    if (fault_ == Fault::kRowTooFew && *kept > 0) return *kept - 1;
    if (fault_ == Fault::kRowTooMany && *kept < keys.size()) return *kept + 1;
    return kept;
  }
  void note_throttled() override {}
  bool is_done() const override {
    return (fault_ == Fault::kEndsEarly && is_over()) || listing_.is_done();
  }
  int in_flight() const override { return asked_ ? 1 : listing_.in_flight(); }

 private:
  bool is_over() const {
    return (fault_ == Fault::kStops || fault_ == Fault::kEndsEarly) && listing_.pages() >= 5;
  }

  FastListing listing_;
  const Fault fault_;
  bool asked_ = false;
};

TEST(ListSimulation, FaultsAreFoundOut) {
  const auto shape = make_key_shape("words", 20'000);
  const auto failure = [&](Fault fault, double flickering_share) {
    ListConditions conditions;
    conditions.flickering_share = flickering_share;
    FaultyListing listing(shape->prefix(), 8, fault);
    return simulate_list(*shape, conditions, listing, 8).failure;
  };
  for (const double share : {0.0, 0.1}) {
    EXPECT_THAT(failure(Fault::kRowTooFew, share), HasSubstr("lost: key "));
    EXPECT_THAT(failure(Fault::kRowTooMany, share), HasSubstr("twice: key "));
    EXPECT_THAT(failure(Fault::kEndsEarly, share), HasSubstr("lost: key "));
    EXPECT_THAT(failure(Fault::kNeverEnds, share), HasSubstr("too many pages"));
    EXPECT_THAT(failure(Fault::kStops, share), HasSubstr("it asks for nothing and is not done"));
  }
  EXPECT_THAT(failure(Fault::kStops, 0), HasSubstr("words of 20000 keys, 8 slots, seed 1"));
}

}  // namespace
}  // namespace ossmc
