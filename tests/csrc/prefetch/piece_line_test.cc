#include "prefetch/piece_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "csrc/prefetch/loose_streams.h"

namespace ossmc {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint32_t kBulk = PieceSizes().bulk_bytes;

class PieceLineTest : public testing::Test {
 protected:
  using PiecePtr = PieceLine::PiecePtr;

  // Pieces of a call, called `name`0, `name`1...
  void add(const std::string& name, const std::shared_ptr<ObjectStream>& stream,
           const std::vector<std::uint32_t>& lengths) {
    std::vector<PiecePtr> pieces;
    for (const std::uint32_t length : lengths) {
      const std::uint64_t number = count_[name]++;
      pieces.push_back(
          std::make_shared<Piece>(stream, number, 0, length, std::vector<SinkPart>(), call(name)));
      names_[pieces.back().get()] = name + std::to_string(number);
    }
    line_.add(pieces);
  }
  const std::shared_ptr<PieceCall>& call(const std::string& name) {
    std::shared_ptr<PieceCall>& found = calls_[name];
    if (found == nullptr) found = std::make_shared<PieceCall>();
    return found;
  }
  std::vector<std::string> names(const std::vector<PiecePtr>& pieces) const {
    std::vector<std::string> result;
    for (const PiecePtr& piece : pieces) result.push_back(names_.at(piece.get()));
    return result;
  }
  std::vector<std::string> take_urgent() {
    std::vector<PiecePtr> taken;
    EXPECT_EQ(line_.has_urgent(), true);
    while (PiecePtr piece = line_.take_urgent()) taken.push_back(piece);
    EXPECT_FALSE(line_.has_urgent());
    return names(taken);
  }
  std::vector<std::string> take_bulk() {
    std::vector<PiecePtr> taken;
    while (PiecePtr piece = line_.take_bulk()) taken.push_back(piece);
    return names(taken);
  }

  LooseStreams streams_;
  std::shared_ptr<ObjectStream> stream_ = streams_.open_chunks(4);
  PieceLine line_;
  std::map<std::string, std::shared_ptr<PieceCall>> calls_;
  std::map<std::string, std::uint64_t> count_;
  std::map<const Piece*, std::string> names_;
};

TEST_F(PieceLineTest, IsEmptyAtFirst) {
  EXPECT_TRUE(line_.empty());
  EXPECT_FALSE(line_.has_urgent());
  EXPECT_EQ(line_.take_urgent(), nullptr);
  EXPECT_EQ(line_.take_bulk(), nullptr);
  line_.add({});
  EXPECT_TRUE(line_.empty());
}

TEST_F(PieceLineTest, ThePiecesOfACallComeInOrder) {
  add("a", stream_, {10, 20, 30});
  EXPECT_FALSE(line_.empty());
  EXPECT_THAT(take_urgent(), ElementsAre("a0", "a1", "a2"));
  EXPECT_TRUE(line_.empty());
}

TEST_F(PieceLineTest, CallsTakeTurns) {
  add("a", stream_, {10, 10, 10, 10});
  add("b", stream_, {10, 10});
  add("c", stream_, {10});
  EXPECT_THAT(take_urgent(), ElementsAre("a0", "b0", "c0", "a1", "b1", "a2", "a3"));
}

TEST_F(PieceLineTest, WhatACallAddsLaterIsBehindItsOwn) {
  add("a", stream_, {10, 10});
  add("b", stream_, {10, 10});
  add("a", stream_, {10});
  EXPECT_THAT(take_urgent(), ElementsAre("a0", "b0", "a1", "b1", "a2"));
}

TEST_F(PieceLineTest, LargeOnesAreBulkButForTheFirstOfTheCall) {
  add("a", stream_, {kBulk, kBulk, kBulk - 1, kBulk + 1});
  add("b", stream_, {10, kBulk, kBulk});
  EXPECT_THAT(take_urgent(), ElementsAre("a0", "b0", "a2"));
  EXPECT_FALSE(line_.empty());
  EXPECT_THAT(take_bulk(), ElementsAre("a1", "b1", "a3", "b2"));
  EXPECT_TRUE(line_.empty());
}

TEST_F(PieceLineTest, OneTakenIsNotInLineAnyMore) {
  add("a", stream_, {10, 10});
  const PiecePtr first = line_.take_urgent();
  EXPECT_THAT(names(line_.remove_call(*call("a"))), ElementsAre("a1"));
  EXPECT_EQ(names_.at(first.get()), "a0");
}

TEST_F(PieceLineTest, ACallThatEndsLeavesBothLines) {
  add("a", stream_, {kBulk, kBulk, 10});
  add("b", stream_, {10, kBulk});
  EXPECT_THAT(names(line_.remove_call(*call("a"))), ElementsAre("a0", "a2", "a1"));
  EXPECT_THAT(names(line_.remove_call(*call("a"))), IsEmpty());
  EXPECT_THAT(take_urgent(), ElementsAre("b0"));
  EXPECT_THAT(take_bulk(), ElementsAre("b1"));
}

TEST_F(PieceLineTest, AClosedObjectsLeaveItAndOthersOfTheCallStay) {
  const auto other = streams_.open_chunks(4);
  add("a", stream_, {10, kBulk});
  add("a", other, {10, 10});
  add("b", other, {10});
  EXPECT_THAT(names(line_.remove_stream(*other)), ElementsAre("a2", "a3", "b0"));
  EXPECT_THAT(take_urgent(), ElementsAre("a0"));
  EXPECT_THAT(take_bulk(), ElementsAre("a1"));
}

TEST_F(PieceLineTest, TheTurnOfACallThatLeftIsTheNextOnes) {
  add("a", stream_, {10, 10});
  add("b", stream_, {10, 10});
  add("c", stream_, {10, 10});
  EXPECT_EQ(names_.at(line_.take_urgent().get()), "a0");
  line_.remove_call(*call("b"));
  EXPECT_THAT(take_urgent(), ElementsAre("c0", "a1", "c1"));
}

TEST_F(PieceLineTest, WhatIsAllBulkTakesTurnsWithTheBulkOfOthers) {
  const auto stream = streams_.open(LooseStreams::kChunkBytes);
  add("a", stream, {kBulk, kBulk, kBulk});
  std::vector<PiecePtr> small;
  for (int i = 0; i < 2; ++i) {
    small.push_back(std::make_shared<Piece>(stream, 0, 0, 10, std::vector<SinkPart>(), call("b")));
    names_[small.back().get()] = "b" + std::to_string(i);
  }
  line_.add_bulk(small);
  EXPECT_THAT(take_urgent(), ElementsAre("a0"));
  EXPECT_THAT(take_bulk(), ElementsAre("a1", "b0", "a2", "b1"));
}

// While the limit of bytes a second holds requests back.
TEST_F(PieceLineTest, OfACallThatReceivesSomethingNothingIsTheFirst) {
  add("a", stream_, {10, 10});
  add("b", stream_, {10, 10});
  const PiecePtr first = line_.take_first_urgent();
  EXPECT_EQ(names_.at(first.get()), "a0");
  ++first->call->in_flight;
  const PiecePtr second = line_.take_first_urgent();
  EXPECT_EQ(names_.at(second.get()), "b0");
  ++second->call->in_flight;
  EXPECT_EQ(line_.take_first_urgent(), nullptr);
  EXPECT_TRUE(line_.has_urgent());
  --first->call->in_flight;
  EXPECT_EQ(names_.at(line_.take_first_urgent().get()), "a1");
  EXPECT_THAT(take_urgent(), ElementsAre("b1"));
}

}  // namespace
}  // namespace ossmc
