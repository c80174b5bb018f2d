#include "base/counters.h"

#include <gtest/gtest.h>

namespace ossmc {
namespace {

TEST(Counters, StartAtZeroAndAdd) {
  Counters counters;
  EXPECT_EQ(load(counters.requests), 0u);
  add(counters.requests);
  add(counters.bytes_received, 10);
  EXPECT_EQ(load(counters.requests), 1u);
  EXPECT_EQ(load(counters.bytes_received), 10u);
}

}  // namespace
}  // namespace ossmc
