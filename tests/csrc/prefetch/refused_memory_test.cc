#include "csrc/prefetch/refused_memory.h"

#include <gtest/gtest.h>

#include "memory/page_pool.h"
#include "memory/view_region.h"
#include "support/csrc/fake_clock.h"
#include "support/csrc/fiber.h"

namespace ossmc {
namespace {

class RefusedMemoryTest : public testing::Test {
 protected:
  // By a virtual thread.
  bool has_block() {
    bool has = false;
    Fiber thread([&] { has = static_cast<bool>(pool_->take(64)); });
    thread.resume();
    return has;
  }
  StatusCode region() {
    StatusCode code = StatusCode::kOk;
    Fiber thread([&] { code = ViewRegion::make(64).status().code(); });
    thread.resume();
    return code;
  }

  FakeClock clock_;
  std::shared_ptr<PagePool> pool_ = PagePool::make({.slot_bytes = 64, .keep_bytes = 0}, clock_);
};

TEST_F(RefusedMemoryTest, IsRefusedToVirtualThreadsWhileItIsWanted) {
  bool refuses = false;
  RefusedMemory memory([&] { return refuses; });
  EXPECT_TRUE(has_block());
  EXPECT_EQ(region(), StatusCode::kOk);
  refuses = true;
  EXPECT_FALSE(has_block());
  EXPECT_EQ(region(), StatusCode::kMemoryBudget);
  EXPECT_TRUE(pool_->take(64));
  EXPECT_TRUE(ViewRegion::make(64).is_ok());
  EXPECT_EQ(memory.blocks(), 1U);
  EXPECT_EQ(memory.regions(), 1U);
}

TEST_F(RefusedMemoryTest, IsThereWhereNothingRefusesIt) {
  {
    const RefusedMemory memory([] { return true; });
  }
  EXPECT_TRUE(has_block());
  EXPECT_EQ(region(), StatusCode::kOk);
}

}  // namespace
}  // namespace ossmc
