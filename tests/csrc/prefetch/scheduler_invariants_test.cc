// The house's invariants on the real scheduler, over random schedules: hundreds, in a long run
// thousands, each different (random_schedule.h says what they are made of, schedule_judge.h and
// invariant_watch.h what is watched).
//
//   OSSMC_SCHEDULES=500000   so many schedules of each kind instead of the usual number
//   OSSMC_SCHEDULE=1234      only the schedule of this seed, with its last steps
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "csrc/prefetch/random_schedule.h"
#include "support/csrc/long_run.h"

namespace ossmc {
namespace {

// Of each kind.
constexpr std::uint64_t kSchedules = 300;
constexpr std::uint64_t kSchedulesOfALongRun = 2500;

// For an assert() in the middle of a run.
volatile std::uint64_t seed_now = 0;

void say_seed(int /*signal*/) {
  char text[96];
  const int size = std::snprintf(text, sizeof text, "aborted in OSSMC_SCHEDULE=%llu\n",
                                 static_cast<unsigned long long>(seed_now));
  static_cast<void>(!::write(STDERR_FILENO, text, static_cast<std::size_t>(size)));
  std::signal(SIGABRT, SIG_DFL);
}

std::string text_of(const ScheduleResult& result) {
  std::string text = result.complaint;
  for (const std::string& line : result.trace) text += "\n    " + line;
  return text;
}

void add_to(ScheduleCounts& sum, const ScheduleCounts& one) {
  sum.steps += one.steps;
  sum.requests += one.requests;
  sum.reads += one.reads;
  sum.errors += one.errors;
  sum.views += one.views;
  sum.retries += one.retries;
  sum.refetches += one.refetches;
  sum.hedges += one.hedges;
  sum.with_hedges += one.with_hedges;
  sum.evicted_unread += one.evicted_unread;
  sum.evicted_consumed += one.evicted_consumed;
  sum.heads += one.heads;
  sum.whole_by_200 += one.whole_by_200;
  sum.empty_by_200 += one.empty_by_200;
  sum.gave_way += one.gave_way;
  sum.waited_for_views += one.waited_for_views;
}

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void run_schedules(ScheduleKind kind) {
  const std::uint64_t only = number_from("OSSMC_SCHEDULE", UINT64_MAX);
  if (only != UINT64_MAX) {
    const ScheduleResult result = run_schedule(only, kind, true);
    std::puts(text_of(result).c_str());
    ASSERT_EQ(result.complaint, "");
    return;
  }
  const auto handler_before = std::signal(SIGABRT, say_seed);
  const std::uint64_t count =
      number_from("OSSMC_SCHEDULES", is_long_run() ? kSchedulesOfALongRun : kSchedules);
  const auto start = std::chrono::steady_clock::now();
  ScheduleCounts sum;
  int failures = 0;
  for (std::uint64_t seed = 0; seed < count && failures < 3; ++seed) {
    seed_now = seed;
    const ScheduleResult result = run_schedule(seed, kind, false);
    add_to(sum, result.counts);
    if (result.complaint.empty()) continue;
    ++failures;
    ADD_FAILURE() << "OSSMC_SCHEDULE=" << seed << ": " << result.complaint
                  << "\n  and once more, with its last steps: "
                  << text_of(run_schedule(seed, kind, true));
  }
  std::signal(SIGABRT, handler_before);
  if (failures > 0) return;
  // What the schedules are for did occur in them.
  EXPECT_GT(sum.retries, count / 100);
  EXPECT_GT(sum.refetches, count / 100);
  EXPECT_GT(sum.with_hedges, count / 100);
  if (kind == ScheduleKind::kOneAtATime) {
    EXPECT_GT(sum.evicted_consumed, count / 100);
    EXPECT_GT(sum.evicted_unread, count / 100);
  } else {
    EXPECT_GT(sum.gave_way, count);
  }
  EXPECT_GT(sum.views, count / 100);
  EXPECT_GT(sum.errors, count / 100);
  EXPECT_GT(sum.heads, count / 100);
  EXPECT_GT(sum.whole_by_200, count / 100);
  EXPECT_GT(sum.empty_by_200, count / 100);
  std::printf(
      "%llu schedules in %.1f s: %llu steps, %llu requests, %llu reads, %llu errors, %llu views, "
      "%llu retries, %llu refetches, %llu hedges in %llu schedules, %llu + %llu evictions, %llu "
      "HEADs, %llu + %llu whole and empty objects by 200, gave way %llu times, waited for memory "
      "of "
      "views %llu times\n",
      static_cast<unsigned long long>(count),
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
      static_cast<unsigned long long>(sum.steps), static_cast<unsigned long long>(sum.requests),
      static_cast<unsigned long long>(sum.reads), static_cast<unsigned long long>(sum.errors),
      static_cast<unsigned long long>(sum.views), static_cast<unsigned long long>(sum.retries),
      static_cast<unsigned long long>(sum.refetches), static_cast<unsigned long long>(sum.hedges),
      static_cast<unsigned long long>(sum.with_hedges),
      static_cast<unsigned long long>(sum.evicted_consumed),
      static_cast<unsigned long long>(sum.evicted_unread),
      static_cast<unsigned long long>(sum.heads), static_cast<unsigned long long>(sum.whole_by_200),
      static_cast<unsigned long long>(sum.empty_by_200),
      static_cast<unsigned long long>(sum.gave_way),
      static_cast<unsigned long long>(sum.waited_for_views));
}

TEST(SchedulerInvariants, HoldInRandomSchedules) { run_schedules(ScheduleKind::kOneAtATime); }

TEST(SchedulerInvariants, HoldWhereThreadsMeet) { run_schedules(ScheduleKind::kGivingWay); }

// Otherwise OSSMC_SCHEDULE=1234 shows another run than the one that failed among others. What ran
// before moves all that a run allocates.
TEST(RandomSchedule, ASeedDecidesAllThatHappens) {
  const std::uint64_t seeds = is_long_run() ? 300 : 30;
  std::vector<ScheduleResult> forward;
  for (std::uint64_t seed = 0; seed < seeds; ++seed)
    forward.push_back(run_schedule(seed, ScheduleKind::kOneAtATime, true));
  for (std::uint64_t seed = seeds; seed-- > 0;) {
    const ScheduleResult again = run_schedule(seed, ScheduleKind::kOneAtATime, true);
    ASSERT_EQ(again.counts.steps, forward[seed].counts.steps) << "seed " << seed;
    ASSERT_EQ(again.trace, forward[seed].trace) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ossmc
