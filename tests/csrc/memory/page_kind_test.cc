#include "memory/page_kind.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "support/csrc/resident.h"

namespace ossmc {
namespace {

using std::chrono::nanoseconds;

// Each kind is tried as often as is asked for; a MiB of pages costs so much.
void try_both(PageTrial& trial, nanoseconds small, nanoseconds huge) {
  for (int i = 0; i < 2 * PageTrial::kTriesOfKind; ++i) {
    EXPECT_FALSE(trial.is_decided());
    const PageKind kind = trial.next();
    trial.add(kind, 2 * kMiB, 2 * (kind == PageKind::kHuge ? huge : small));
  }
  EXPECT_TRUE(trial.is_decided());
}

TEST(PageTrial, TheCheaperKindIsTakenFromThenOn) {
  PageTrial slow_huge;
  try_both(slow_huge, nanoseconds(800'000), nanoseconds(1'500'000));
  EXPECT_EQ(slow_huge.next(), PageKind::kSmall);
  EXPECT_EQ(slow_huge.next(), PageKind::kSmall);
  PageTrial fast_huge;
  try_both(fast_huge, nanoseconds(250'000), nanoseconds(60'000));
  EXPECT_EQ(fast_huge.next(), PageKind::kHuge);
  EXPECT_EQ(fast_huge.next(), PageKind::kHuge);
}

TEST(PageTrial, HugePagesAreTakenWhereBothCostAboutTheSame) {
  PageTrial trial;
  try_both(trial, nanoseconds(100'000), nanoseconds(105'000));
  EXPECT_EQ(trial.next(), PageKind::kHuge);
}

TEST(PageTrial, ADisturbedTryDoesNotCount) {
  PageTrial trial;
  trial.add(PageKind::kHuge, kMiB, nanoseconds(50'000'000));
  trial.add(PageKind::kSmall, kMiB, nanoseconds(300'000));
  for (int i = 1; i < PageTrial::kTriesOfKind; ++i) {
    trial.add(PageKind::kHuge, kMiB, nanoseconds(60'000));
    trial.add(PageKind::kSmall, kMiB, nanoseconds(250'000));
  }
  EXPECT_EQ(trial.next(), PageKind::kHuge);
}

TEST(PageTrial, NothingIsDecidedBeforeBothWereTried) {
  PageTrial trial;
  for (int i = 0; i < 10; ++i) trial.add(PageKind::kSmall, kMiB, nanoseconds(1));
  trial.add(PageKind::kHuge, 0, nanoseconds(0));
  EXPECT_FALSE(trial.is_decided());
  std::set<PageKind> offered;
  for (int i = 0; i < 2; ++i) offered.insert(trial.next());
  EXPECT_EQ(offered.size(), 2u);
}

}  // namespace
}  // namespace ossmc
