#include "transfer/open_sockets.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/counters.h"
#include "transfer/socket_watch.h"

namespace ossmc {
namespace {

class OpenSocketsTest : public ::testing::Test {
 protected:
  int open() { return sockets_.open(AF_INET, SOCK_STREAM, 0); }

  Counters counters_;
  SocketWatch watch_;
  OpenSockets sockets_{counters_, watch_};
};

// One address of a name refused, and the next one's socket got its number: libcurl 7.88, which had
// closed the first one by itself, saw no change, and nobody learnt that the second was connected.
TEST_F(OpenSocketsTest, ASocketThatTakesTheNumberOfOneClosedByLibcurlIsWatchedInItsPlace) {
  const int fd = open();
  ASSERT_TRUE(watch_.watch(fd, EPOLLOUT));
  ::close(fd);
  ASSERT_EQ(open(), fd);
  EXPECT_TRUE(sockets_.take_any_opened());
  EXPECT_FALSE(sockets_.take_any_opened());
  const auto events = watch_.wait(0);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].socket, fd);
  EXPECT_EQ(load(counters_.connections), 1u);
  EXPECT_EQ(sockets_.close(fd), 0);
  EXPECT_EQ(load(counters_.connections), 0u);
}

TEST_F(OpenSocketsTest, AClosedSocketIsNotWatched) {
  const int fd = open();
  ASSERT_TRUE(watch_.watch(fd, EPOLLOUT));
  const int copy = ::dup(fd);  // as a forked child has one
  sockets_.close(fd);
  EXPECT_TRUE(watch_.wait(0).empty());
  ASSERT_EQ(open(), fd);
  EXPECT_TRUE(watch_.wait(0).empty());
  sockets_.close(fd);
  ::close(copy);
}

}  // namespace
}  // namespace ossmc
