#include "prefetch/verification.h"

#include <gtest/gtest.h>

#include <chrono>

namespace ossmc {
namespace {

using Expected = Verification::Expected;
using Verdict = Verification::Verdict;

TEST(VerificationTest, WithoutACrcOrWithoutBytesThereIsNothingToCheck) {
  Verification without_crc;
  without_crc.begin(2, Expected::kNone);
  EXPECT_EQ(without_crc.verdict(), Verdict::kNothingToCheck);
  Verification empty;
  empty.begin(0, Expected::kKnown);
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
  verification.begin(3, Expected::kKnown);
  EXPECT_TRUE(verification.is_pending());
  EXPECT_FALSE(verification.note_crc_known());
  EXPECT_FALSE(verification.note_crc_known());
  EXPECT_TRUE(verification.note_crc_known());
  EXPECT_TRUE(verification.is_pending());  // until it was passed
}

TEST(VerificationTest, WhoHasTheLastMissingBytesInHandWaitsForTheVerdict) {
  for (const bool is_good : {true, false}) {
    Verification verification;
    verification.begin(2, Expected::kKnown);
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
  verification.begin(2, Expected::kKnown);
  verification.pass(false);
  EXPECT_TRUE(verification.is_needed());  // though nothing was handed out
}

TEST(VerificationTest, WhatAReplyIsToTellIsPendingUntilItHas) {
  for (const bool is_told : {true, false}) {
    Verification verification;
    verification.begin(1, Expected::kNotYet);
    EXPECT_TRUE(verification.is_pending());
    verification.learn(is_told);
    verification.learn(!is_told);  // another reply says something else
    EXPECT_EQ(verification.verdict(), is_told ? Verdict::kPending : Verdict::kNothingToCheck);
    verification.note_chunk_handed_out();
    EXPECT_EQ(verification.is_needed(), is_told);
    EXPECT_EQ(verification.note_crc_known(), is_told);
  }
}

TEST(VerificationTest, WhatNoReplyToldIsNothingToCheck) {
  Verification verification;
  verification.begin(2, Expected::kNotYet);
  EXPECT_FALSE(verification.note_crc_known());
  EXPECT_TRUE(verification.is_pending());
  EXPECT_FALSE(verification.note_crc_known());
  EXPECT_EQ(verification.verdict(), Verdict::kNothingToCheck);
  verification.learn(true);
  EXPECT_EQ(verification.verdict(), Verdict::kNothingToCheck);
}

TEST(VerificationTest, AReplyDoesNotChangeWhatWasKnownAtOpen) {
  Verification known;
  known.begin(1, Expected::kKnown);
  known.learn(false);
  EXPECT_TRUE(known.is_pending());
  Verification none;
  none.begin(1, Expected::kNone);
  none.learn(true);
  EXPECT_EQ(none.verdict(), Verdict::kNothingToCheck);
  Verification empty;
  empty.begin(0, Expected::kNotYet);
  EXPECT_EQ(empty.verdict(), Verdict::kNothingToCheck);
}

TEST(VerificationTest, NobodyWaitsForAVerdictThatIsThere) {
  Verification verification;
  verification.begin(1, Expected::kKnown);
  verification.wait(Duration::zero());
  verification.pass(true);
  verification.wait(std::chrono::seconds(30));
}

}  // namespace
}  // namespace ossmc
