// The house's invariants on the real scheduler, over random schedules: hundreds, in a long run
// thousands, each different (random_schedule.h says what they are made of, schedule_judge.h and
// invariant_watch.h what is watched).
//
//   OSSMC_SCHEDULES=500000   so many schedules of each kind instead of the usual number
//   OSSMC_SCHEDULE=1234      only the schedule of this seed, with its last steps
#include <gmock/gmock.h>
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
  EXPECT_THAT(too_rare(sum, count, kind), testing::IsEmpty());
  std::printf("%llu schedules in %.1f s: %s\n", static_cast<unsigned long long>(count),
              std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
              text_of(sum).c_str());
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
