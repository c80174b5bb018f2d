#include "transfer/waker.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

namespace ossmc {
namespace {

bool is_readable(int fd) {
  pollfd event{fd, POLLIN, 0};
  return ::poll(&event, 1, 0) == 1;
}

TEST(Waker, WhoIsAwakeLooksBeforeItSleeps) {
  Waker waker;
  EXPECT_FALSE(waker.take());
  waker.wake();
  EXPECT_FALSE(is_readable(waker.fd())) << "a system call for nothing";
  EXPECT_TRUE(waker.begin_sleep());
  EXPECT_TRUE(waker.take());
  EXPECT_FALSE(waker.take());
}

TEST(Waker, WhoSleepsIsWoken) {
  Waker waker;
  EXPECT_FALSE(waker.begin_sleep());
  waker.wake();
  EXPECT_TRUE(is_readable(waker.fd()));
  waker.end_sleep();
  waker.clear_event();
  EXPECT_FALSE(is_readable(waker.fd()));
  EXPECT_TRUE(waker.take());
}

TEST(Waker, WhoComesLateWritesToNobody) {
  Waker waker;
  EXPECT_FALSE(waker.begin_sleep());
  waker.close();
  waker.wake();
  EXPECT_LT(waker.fd(), 0);
}

// Daemons close descriptors that are not theirs.
TEST(Waker, WhoWasClosedByOthersWritesIntoNoFileOfTheirs) {
  Waker waker;
  const int before = waker.fd();
  ::close(before);
  ::close(before + 1);
  int others[2];
  ASSERT_EQ(::pipe2(others, O_CLOEXEC), 0);
  ASSERT_EQ(others[0], before) << "the number is theirs now";
  EXPECT_FALSE(waker.is_open());
  EXPECT_FALSE(waker.begin_sleep());
  waker.wake();
  EXPECT_FALSE(is_readable(others[0]));
  EXPECT_TRUE(waker.take());
  EXPECT_TRUE(waker.reopen());
  EXPECT_NE(waker.fd(), before);
  waker.wake();
  EXPECT_TRUE(is_readable(waker.fd()));
  waker.close();
  EXPECT_EQ(::close(others[0]), 0) << "nor does it close what is theirs";
  EXPECT_EQ(::close(others[1]), 0);
}

}  // namespace
}  // namespace ossmc
