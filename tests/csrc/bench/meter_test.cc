#include "bench/meter.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace ossmc::bench {
namespace {

TEST(Meter, UsageGrows) {
  const Meter meter;
  const Usage before = meter.usage();
  std::vector<std::byte> memory(8 << 20);
  for (std::size_t i = 0; i < memory.size(); i += 4096) memory[i] = std::byte{1};
  const Usage after = meter.usage();
  EXPECT_GT(after.at, before.at);
  EXPECT_GE(after.user_seconds + after.system_seconds, before.user_seconds + before.system_seconds);
  EXPECT_GT(after.minor_faults, before.minor_faults);
  if (before.syscalls) {
    EXPECT_GT(*after.syscalls, *before.syscalls);
  }
}

TEST(Meter, SaysWhySystemCallsAreNotCounted) {
  const Meter meter;
  EXPECT_EQ(meter.usage().syscalls.has_value(), meter.why_no_syscalls().empty());
}

TEST(Meter, PeakIsAtLeastWhatIsResident) {
  Meter meter;
  static_cast<void>(meter.restart_peak());
  EXPECT_GT(meter.resident_bytes(), 0U);
  // The kernel counts both per thread and sums up now and then: some pages of difference.
  EXPECT_GE(meter.peak_bytes() + (1 << 20), meter.resident_bytes());
}

}  // namespace
}  // namespace ossmc::bench
