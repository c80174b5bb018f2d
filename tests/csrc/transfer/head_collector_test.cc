#include "transfer/head_collector.h"

#include <gtest/gtest.h>

#include <string>

namespace ossmc {
namespace {

using Verdict = HeadCollector::Verdict;

// The verdict on the last line; lines end with "\n" in `text`.
Verdict add_all(HeadCollector& head, const std::string& text) {
  Verdict verdict = Verdict::kMore;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = text.find('\n', at) + 1;
    verdict = head.add(std::string_view(text).substr(at, end - at));
    at = end;
  }
  return verdict;
}

TEST(HeadCollector, KeepsNamesAndValuesInOrder) {
  HeadCollector head;
  EXPECT_EQ(add_all(head,
                    "HTTP/1.1 206 Partial Content\r\nETag: \"a\"\r\nX-Empty:\r\n"
                    "etag:  b: c \r\n\r\n"),
            Verdict::kComplete);
  EXPECT_TRUE(head.complete());
  EXPECT_EQ(head.status(), 206);
  const std::vector<NameValue> expected = {{"ETag", "\"a\""}, {"X-Empty", ""}, {"etag", "b: c"}};
  EXPECT_EQ(head.headers(), expected);
}

TEST(HeadCollector, LeavesOutInterimReplies) {
  HeadCollector head;
  EXPECT_EQ(
      add_all(head, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
      Verdict::kMore);
  EXPECT_FALSE(head.complete());
  EXPECT_EQ(add_all(head, "HTTP/1.1 200 OK\r\nA: b\r\n\r\n"), Verdict::kComplete);
  EXPECT_EQ(head.status(), 200);
  EXPECT_EQ(head.headers().size(), 1u);
}

TEST(HeadCollector, IgnoresTrailers) {
  HeadCollector head;
  add_all(head, "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(add_all(head, "X-Trailer: 1\r\nHTTP/1.1 500 No\r\n\r\n"), Verdict::kMore);
  EXPECT_EQ(head.status(), 200);
  EXPECT_TRUE(head.headers().empty());
}

TEST(HeadCollector, JoinsFoldedLinesAndDropsWhatIsNoHeader) {
  HeadCollector head;
  add_all(head,
          "HTTP/1.1 200 OK\r\n folded into nothing\r\nA: 1\r\n\t2\r\nno colon\r\n: x\r\n\r\n");
  const std::vector<NameValue> expected = {{"A", "1 2"}};
  EXPECT_EQ(head.headers(), expected);
}

TEST(HeadCollector, RefusesMalformedStatusLines) {
  for (const char* line : {"HTTP/1.1\r\n", "HTTP/1.1 \r\n", "HTTP/1.1 2x0 OK\r\n",
                           "HTTP/1.1 2000 OK\r\n", "HTTP/1.1 -20 OK\r\n", "HTTP/1.1 099 X\r\n"}) {
    HeadCollector head;
    EXPECT_EQ(head.add(line), Verdict::kMalformed) << line;
  }
}

TEST(HeadCollector, BoundsTheNumberOfHeaders) {
  HeadCollector head;
  head.add("HTTP/1.1 200 OK\r\n");
  for (std::size_t i = 0; i < HeadCollector::kMaxHeaders; ++i) {
    ASSERT_EQ(head.add("A: b\r\n"), Verdict::kMore);
  }
  EXPECT_EQ(head.add("A: b\r\n"), Verdict::kTooLarge);
}

TEST(HeadCollector, BoundsTheBytesOverAllInterimReplies) {
  HeadCollector head;
  const std::string line = "HTTP/1.1 100 " + std::string(1000, 'x') + "\r\n";
  for (std::size_t bytes = line.size(); bytes <= HeadCollector::kMaxBytes; bytes += line.size()) {
    ASSERT_EQ(head.add(line), Verdict::kMore);
  }
  EXPECT_EQ(head.add(line), Verdict::kTooLarge);
}

TEST(HeadCollector, StartsAnewAfterReset) {
  HeadCollector head;
  add_all(head, "HTTP/1.1 404 No\r\nA: b\r\n\r\n");
  head.reset();
  EXPECT_FALSE(head.complete());
  EXPECT_EQ(head.status(), 0);
  EXPECT_TRUE(head.headers().empty());
}

}  // namespace
}  // namespace ossmc
