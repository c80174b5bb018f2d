#include "prefetch/read_chunks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "csrc/prefetch/loose_streams.h"

namespace ossmc {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ReadChunksTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kBytes = LooseStreams::kChunkBytes;

  void read(ObjectStream& stream, std::uint64_t index) {
    streams_.fill(stream, index);
    chunks_.add(stream, index);
  }
  // "object@chunk", in the order in which they go.
  std::vector<std::string> list(bool spare) const {
    std::vector<std::string> names;
    for (const auto& entry : chunks_.entries()) {
      if (ReadChunks::is_spare(entry) != spare) continue;
      names.push_back(entry.second.stream->name().key + "@" + std::to_string(entry.second.index));
    }
    return names;
  }

  LooseStreams streams_;
  const LooseStreams::StreamPtr a_ = streams_.open_chunks(16);
  const LooseStreams::StreamPtr b_ = streams_.open_chunks(16);
  // Two chunks of each object, three in all.
  ReadChunks chunks_{{.of_object = 2 * kBytes, .in_all = 3 * kBytes}};  // ends before the streams
};

TEST_F(ReadChunksTest, WhatWasReadLastOfAnObjectIsKeptAndTheRestIsSpare) {
  for (const std::uint64_t i : {4, 1, 3, 2}) read(*a_, i);
  EXPECT_THAT(list(true), ElementsAre("o1@4", "o1@1"));
  EXPECT_THAT(list(false), ElementsAre("o1@3", "o1@2"));
  EXPECT_EQ(chunks_.bytes(), 4 * kBytes);
}

TEST_F(ReadChunksTest, OfManyObjectsTheOldestIsSpare) {
  read(*a_, 0);
  read(*b_, 0);
  read(*a_, 1);
  EXPECT_THAT(list(true), IsEmpty());
  read(*b_, 1);
  EXPECT_THAT(list(true), ElementsAre("o1@0"));
  EXPECT_THAT(list(false), ElementsAre("o2@0", "o1@1", "o2@1"));
}

TEST_F(ReadChunksTest, AnObjectThatIsReadAgainKeepsAllOfIt) {
  for (const std::uint64_t i : {0, 1, 2, 3}) read(*a_, i);
  chunks_.keep_all(*a_);
  EXPECT_THAT(list(true), IsEmpty());
  read(*a_, 4);
  EXPECT_THAT(list(false), ElementsAre("o1@0", "o1@1", "o1@2", "o1@3", "o1@4"));
  // It takes nothing of what others keep.
  for (const std::uint64_t i : {0, 1, 2}) read(*b_, i);
  EXPECT_THAT(list(true), ElementsAre("o2@0"));
}

TEST_F(ReadChunksTest, WhatIsRemovedCountsNoMore) {
  for (const std::uint64_t i : {0, 1, 2}) read(*a_, i);
  chunks_.remove(*a_, 0);
  chunks_.remove(*a_, 1);
  chunks_.remove(*a_, 1);
  EXPECT_EQ(chunks_.bytes(), kBytes);
  EXPECT_FALSE(chunks_.contains(*a_, 1));
  EXPECT_TRUE(chunks_.contains(*a_, 2));
  read(*a_, 3);
  EXPECT_THAT(list(false), ElementsAre("o1@2", "o1@3"));
  std::vector<std::uint64_t> indices;
  chunks_.append_chunks_of(*a_, &indices);
  EXPECT_THAT(indices, ElementsAre(2, 3));
  for (const std::uint64_t index : indices) chunks_.remove(*a_, index);
  chunks_.forget_object(*a_);
  EXPECT_EQ(chunks_.bytes(), 0U);
  EXPECT_THAT(list(false), IsEmpty());
}

TEST_F(ReadChunksTest, AClosedObjectIsNotKnownToHaveBeenReadAgain) {
  chunks_.keep_all(*a_);
  chunks_.forget_object(*a_);
  for (const std::uint64_t i : {0, 1, 2}) read(*a_, i);
  EXPECT_THAT(list(true), ElementsAre("o1@0"));
}

}  // namespace
}  // namespace ossmc
