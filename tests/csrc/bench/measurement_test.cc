#include "bench/measurement.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ossmc::bench {
namespace {

double number(const Record& row, const char* name) { return std::get<double>(*row.find(name)); }

TEST(Stretches, CountWhatIsBetweenBeginAndEnd) {
  const Meter meter;
  const auto work_until = [&](double cpu_seconds) {
    while (true) {
      const Usage usage = meter.usage();
      if (usage.user_seconds + usage.system_seconds >= cpu_seconds) return usage;
    }
  };
  Stretches stretches(meter);
  double last = 0.0;
  for (int i = 0; i < 2; ++i) {
    const Usage now = meter.usage();
    work_until(now.user_seconds + now.system_seconds + 0.02);  // not counted
    stretches.begin();
    const Usage begin = meter.usage();
    const Usage end = work_until(begin.user_seconds + begin.system_seconds + 0.02);
    stretches.end();
    last = end.user_seconds + end.system_seconds;
  }
  Record row;
  stretches.set(row);
  // In the unit that the kernel counts in: sums of differences of seconds are off in their last
  // bit.
  EXPECT_GE(std::llround(number(row, "cpu_seconds") * 1e6), 40'000);
  EXPECT_LT(number(row, "cpu_seconds"), last - 0.02);
  EXPECT_DOUBLE_EQ(number(row, "cpu_ms_per_sample"), number(row, "cpu_seconds") * 500);
  const bool counted = meter.why_no_syscalls().empty();
  EXPECT_EQ(*row.find("syscalls") != Value(), counted);
  EXPECT_EQ(*row.find("syscalls_per_sample") != Value(), counted);
}

TEST(SyscallsPer, IsNothingWhereTheyWereNotCounted) {
  Record row;
  set_syscalls_per(row, "a", 4);
  row.set("syscalls", {});
  set_syscalls_per(row, "b", 4);
  row.set("syscalls", std::uint64_t{6});
  set_syscalls_per(row, "c", 4);
  set_syscalls_per(row, "d", 0);
  EXPECT_EQ(*row.find("a"), Value());
  EXPECT_EQ(*row.find("b"), Value());
  EXPECT_EQ(*row.find("c"), Value(1.5));
  EXPECT_EQ(*row.find("d"), Value());
}

}  // namespace
}  // namespace ossmc::bench
