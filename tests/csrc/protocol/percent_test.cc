#include "protocol/percent.h"

#include <gtest/gtest.h>

#include <string>

namespace ossmc {
namespace {

TEST(Percent, KeepsUnreservedAlone) {
  EXPECT_EQ(percent_encode("AZaz09-_.~"), "AZaz09-_.~");
  EXPECT_EQ(percent_encode("a b+c/d%41"), "a%20b%2Bc%2Fd%2541");
  EXPECT_EQ(percent_encode("!*'();:@&=$,?#[]"), "%21%2A%27%28%29%3B%3A%40%26%3D%24%2C%3F%23%5B%5D");
  EXPECT_EQ(percent_encode("\xE4\xBD\xA0"), "%E4%BD%A0");
  EXPECT_EQ(percent_encode(std::string("\0\x7F", 2)), "%00%7F");
}

TEST(Percent, PathsKeepSlashesAndDots) {
  EXPECT_EQ(percent_encode_path("/a//b/./../c d"), "/a//b/./../c%20d");
}

TEST(Percent, DecodesOnceAndKeepsPlus) {
  EXPECT_EQ(percent_decode("a+b%20c"), "a+b c");
  EXPECT_EQ(percent_decode("%2541"), "%41");
  EXPECT_EQ(percent_decode("%e4%Bd%A0"), "\xE4\xBD\xA0");
  EXPECT_EQ(percent_decode(""), "");
}

TEST(Percent, RefusesBrokenEscapes) {
  for (const char* text : {"%", "%4", "a%", "%G0", "%0G", "%%41", "% 1", "%-1", "%+1"}) {
    EXPECT_FALSE(percent_decode(text).has_value()) << text;
  }
}

TEST(Percent, EveryByteRoundTrips) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(percent_decode(percent_encode_path(all)), all);
}

}  // namespace
}  // namespace ossmc
