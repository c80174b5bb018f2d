#include "bench/progress.h"

#include <gtest/gtest.h>

namespace ossmc::bench {
namespace {

TEST(ProgressText, WithAndWithoutAnEnd) {
  ConnectorStats stats;
  stats.requests = 12;
  stats.connections = 7;
  stats.limited_by = "network";
  EXPECT_EQ(progress_text("pass 1/5", 1'500'000'000, 4'000'000'000, 2.25e9, stats),
            "pass 1/5: 1.50 of 4.00 GB, 2.25 GB/s, 12 requests, 7 connections, limited by network");
  stats.retries = 2;
  stats.throttles = 1;
  EXPECT_EQ(progress_text("reading", 0, 0, 0.0, stats),
            "reading: 0.00 GB, 0.00 GB/s, 12 requests, 7 connections, 2 retries, 1 throttles, "
            "limited by network");
}

}  // namespace
}  // namespace ossmc::bench
