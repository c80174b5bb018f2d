// What mapping and pool do where the system has too little address space.
#include "csrc/memory/refused_mappings.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <memory>

#include "memory/mapping.h"
#include "memory/page_pool.h"
#include "support/csrc/fake_clock.h"
#include "support/csrc/pattern.h"
#include "support/csrc/resident.h"

namespace ossmc {
namespace {

class RefusedMappingsTest : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "nothing is refused under ThreadSanitizer";
#endif
  }

  FakeClock clock_;
  std::shared_ptr<PagePool> pool_ =
      PagePool::make({.slot_bytes = 8 * kMiB, .keep_bytes = 64 * kMiB}, clock_);
};

TEST_F(RefusedMappingsTest, WithoutRoomToAlignItMemoryStartsWhereItStarts) {
  const std::size_t bytes = 3 * huge_page_bytes();
  const RefusedMappings mappings([bytes](std::size_t wanted) { return wanted > bytes; });
  std::byte* const data = map_memory(bytes);
  ASSERT_NE(data, nullptr);
  fill_pattern(data, 1, 0, bytes);
  EXPECT_TRUE(matches_pattern(data, 1, 0, bytes));
  unmap_memory(data, bytes);
}

TEST_F(RefusedMappingsTest, WhatIsToBeSpareIsGivenBackAtOnce) {
  std::byte* const data = map_memory(page_bytes(), kMiB);
  ASSERT_NE(data, nullptr);
  EXPECT_EQ(::msync(data + page_bytes(), page_bytes(), MS_ASYNC), -1);
  unmap_memory(data, page_bytes());
  const RefusedMappings mappings([](std::size_t wanted) { return wanted > kMiB; });
  EXPECT_EQ(map_memory(page_bytes(), kMiB), nullptr);
}

// They were kept for the next chunk of their size, and the chunk of another size was an error.
TEST_F(RefusedMappingsTest, IdleBuffersGoBackBeforeABufferIsRefused) {
  pool_->take(8 * kMiB);
  ASSERT_GT(pool_->mapped_free_bytes(), 0u);
  const RefusedMappings mappings([this](std::size_t) { return pool_->mapped_free_bytes() > 0; });
  EXPECT_TRUE(pool_->take(4 * kMiB));
  EXPECT_EQ(pool_->mapped_free_bytes() % (8 * kMiB) / (4 * kMiB), 1u) << "the new one alone";
}

TEST_F(RefusedMappingsTest, SomeIsLeftToMallocButByTheLast) {
  const RefusedMappings mappings([](std::size_t wanted) { return wanted > 16 * kMiB; });
  EXPECT_FALSE(pool_->take(8 * kMiB));
  EXPECT_TRUE(pool_->take_last(8 * kMiB));
}

}  // namespace
}  // namespace ossmc
