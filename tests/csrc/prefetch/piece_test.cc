#include "prefetch/piece.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "csrc/prefetch/loose_streams.h"

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

}  // namespace
}  // namespace ossmc
