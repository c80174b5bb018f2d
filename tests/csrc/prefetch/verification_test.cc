#include "prefetch/verification.h"

#include <gtest/gtest.h>

#include <chrono>

namespace ossmc {
namespace {

using Verdict = Verification::Verdict;

TEST(VerificationTest, WithoutACrcOrWithoutBytesThereIsNothingToCheck) {
  Verification without_crc;
  without_crc.begin(2, false);
  EXPECT_EQ(without_crc.verdict(), Verdict::kNothingToCheck);
  Verification empty;
  empty.begin(0, true);
  EXPECT_EQ(empty.verdict(), Verdict::kNothingToCheck);
  EXPECT_FALSE(empty.is_needed());
  for (int i = 0; i < 2; ++i) {
    without_crc.note_chunk_handed_out();
    EXPECT_FALSE(without_crc.note_crc_known());
  }
  EXPECT_FALSE(without_crc.is_needed());
}

TEST(VerificationTest, TheLastCrcIsTheOneThatCallsForAVerdict) {
  Verification verification;
  verification.begin(3, true);
  EXPECT_TRUE(verification.is_pending());
  EXPECT_FALSE(verification.note_crc_known());
  EXPECT_FALSE(verification.note_crc_known());
  EXPECT_TRUE(verification.note_crc_known());
  EXPECT_TRUE(verification.is_pending());  // until it was passed
}

TEST(VerificationTest, WhoHasTheLastMissingBytesInHandWaitsForTheVerdict) {
  for (const bool is_good : {true, false}) {
    Verification verification;
    verification.begin(2, true);
    EXPECT_FALSE(verification.is_needed());
    verification.note_chunk_handed_out();
    EXPECT_FALSE(verification.is_needed());
    verification.note_chunk_handed_out();
    EXPECT_TRUE(verification.is_needed());
    verification.pass(is_good);
    EXPECT_FALSE(verification.is_pending());
    EXPECT_EQ(verification.verdict(), is_good ? Verdict::kGood : Verdict::kBad);
    EXPECT_EQ(verification.is_needed(), !is_good);
  }
}

TEST(VerificationTest, OfAnObjectThatIsBadNobodyGetsAnything) {
  Verification verification;
  verification.begin(2, true);
  verification.pass(false);
  EXPECT_TRUE(verification.is_needed());  // though nothing was handed out
}

TEST(VerificationTest, NobodyWaitsForAVerdictThatIsThere) {
  Verification verification;
  verification.begin(1, true);
  verification.wait(Duration::zero());
  verification.pass(true);
  verification.wait(std::chrono::seconds(30));
}

}  // namespace
}  // namespace ossmc
