#include "base/line_speed.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>

namespace ossmc {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr std::uint64_t kKiB = 1u << 10;
constexpr std::uint64_t kMiB = 1u << 20;

// So often that what was measured before is forgotten.
void note_often(LineSpeed& line, Duration first_byte, Duration whole, std::uint64_t bytes) {
  for (int i = 0; i < 100; ++i) line.note(first_byte, whole, bytes);
}

TEST(LineSpeed, BeforeAnythingIsMeasuredARoundTripBringsHalfAMegabyte) {
  EXPECT_EQ(LineSpeed().bytes_per_round_trip(), kMiB / 2);
}

TEST(LineSpeed, TheFirstFigureCountsInFull) {
  LineSpeed line;
  line.note(milliseconds(20), milliseconds(60), 2 * kMiB);  // 20 ms a MiB
  EXPECT_EQ(line.bytes_per_round_trip(), kMiB);
}

TEST(LineSpeed, EachLaterOneForAQuarter) {
  LineSpeed line;
  line.note(milliseconds(20), milliseconds(40), kMiB);
  line.note(milliseconds(60), milliseconds(80), kMiB);
  EXPECT_NEAR(static_cast<double>(line.bytes_per_round_trip()), 1.5 * kMiB, 2.0);
}

TEST(LineSpeed, FollowsALineThatBecomesFasterAndSlower) {
  LineSpeed line;
  note_often(line, milliseconds(20), milliseconds(40), kMiB);
  EXPECT_NEAR(static_cast<double>(line.bytes_per_round_trip()), kMiB, 100.0);
  note_often(line, milliseconds(20), milliseconds(30), kMiB);
  EXPECT_NEAR(static_cast<double>(line.bytes_per_round_trip()), 2.0 * kMiB, 100.0);
  note_often(line, milliseconds(5), milliseconds(25), kMiB);
  EXPECT_NEAR(static_cast<double>(line.bytes_per_round_trip()), kMiB / 4.0, 100.0);
}

TEST(LineSpeed, AFewBytesTellTheRoundTripAndNotTheSpeed) {
  LineSpeed line;
  line.note(milliseconds(5), milliseconds(5) + seconds(1), 256 * kKiB - 1);
  EXPECT_EQ(line.bytes_per_round_trip(), kMiB / 4);  // at the usual 20 ms a MiB
  line.note(milliseconds(5), milliseconds(5) + milliseconds(10), 256 * kKiB);
  EXPECT_EQ(line.bytes_per_round_trip(), kMiB / 8);
}

TEST(LineSpeed, BytesThatCameAllAtOnceTellNoSpeed) {
  LineSpeed line;
  line.note(milliseconds(10), milliseconds(10), 8 * kMiB);
  line.note(milliseconds(10), milliseconds(9), 8 * kMiB);
  EXPECT_EQ(line.bytes_per_round_trip(), kMiB / 2);
}

TEST(LineSpeed, IsNeverLessThan16KiBNorMoreThan4MiB) {
  LineSpeed near;
  note_often(near, Duration::zero(), seconds(1), kMiB);
  EXPECT_EQ(near.bytes_per_round_trip(), 16 * kKiB);
  LineSpeed far;
  note_often(far, seconds(10), seconds(10) + nanoseconds(1), 1024 * kMiB);
  EXPECT_EQ(far.bytes_per_round_trip(), 4 * kMiB);
}

}  // namespace
}  // namespace ossmc
