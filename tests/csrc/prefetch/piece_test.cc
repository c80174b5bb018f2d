#include "prefetch/piece.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

#include "csrc/prefetch/loose_streams.h"
#include "support/csrc/long_run.h"

namespace ossmc {
namespace {

class PieceTest : public testing::Test {
 protected:
  std::shared_ptr<Piece> piece(std::uint64_t index, std::uint32_t begin, std::uint32_t length) {
    return std::make_shared<Piece>(stream_, index, begin, length, std::vector<SinkPart>(), call_);
  }

  LooseStreams streams_;
  std::shared_ptr<ObjectStream> stream_ = streams_.open(3 * LooseStreams::kChunkBytes - 100);
  std::shared_ptr<PieceCall> call_ = std::make_shared<PieceCall>();
};

TEST_F(PieceTest, IsWholeWhenItIsAllOfItsChunkAsLongAsThatIs) {
  constexpr std::uint32_t kWhole = LooseStreams::kChunkBytes;
  EXPECT_TRUE(piece(0, 0, kWhole)->is_whole());
  EXPECT_FALSE(piece(0, 0, kWhole - 1)->is_whole());
  EXPECT_FALSE(piece(0, 1, kWhole - 1)->is_whole());
  EXPECT_TRUE(piece(2, 0, kWhole - 100)->is_whole());
  EXPECT_EQ(piece(0, 10, 20)->end(), 30U);
}

TEST_F(PieceTest, ItsEndTellsItsCall) {
  const auto good = piece(0, 0, 10);
  const auto bad = piece(1, 0, 10);
  call_->missing.store(2);
  end_piece(*good, Status::ok());
  EXPECT_EQ(call_->missing.load(), 1U);
  EXPECT_FALSE(call_->has_failed.load());
  EXPECT_TRUE(good->is_done.load());
  end_piece(*bad, Status(StatusCode::kServer, "no"));
  EXPECT_EQ(call_->missing.load(), 0U);
  EXPECT_TRUE(call_->has_failed.load());
  EXPECT_EQ(bad->status.code(), StatusCode::kServer);
}

// What failed was put down after it was told that something had: a call that looked in between got
// "a piece failed that is not one of this read". (ThreadSanitizer sees the status without its
// order.)
TEST_F(PieceTest, AFailureWasToldBeforeItCouldBeFound) {
  for (int round = 0; round < (is_long_run() ? 5'000 : 200); ++round) {
    call_ = std::make_shared<PieceCall>();
    const auto failed = piece(0, 0, 10);
    call_->missing.store(1);
    std::thread io([&] { end_piece(*failed, Status(StatusCode::kServer, "no")); });
    while (!call_->has_failed.load(std::memory_order_acquire)) std::this_thread::yield();
    const bool is_found = failed->is_done.load(std::memory_order_relaxed) &&
                          failed->status.code() == StatusCode::kServer;
    io.join();
    ASSERT_TRUE(is_found) << "round " << round;
  }
}

}  // namespace
}  // namespace ossmc
