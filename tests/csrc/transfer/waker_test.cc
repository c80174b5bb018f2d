#include "transfer/waker.h"

#include <gtest/gtest.h>
#include <poll.h>

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

}  // namespace
}  // namespace ossmc
