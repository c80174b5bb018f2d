#include "transfer/socket_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"

namespace ossmc {
namespace {

// Two ends of a stream; `here` is the one to watch.
struct Pair {
  Pair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0); }
  ~Pair() {
    for (const int end : ends) ::close(end);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  int here() const { return ends[0]; }
  void make_readable() const { EXPECT_EQ(::write(ends[1], "x", 1), 1); }

  std::array<int, 2> ends{-1, -1};
};

std::string text(std::span<const SocketEvent> events, const Pair& pair) {
  std::string result;
  for (const SocketEvent& event : events) {
    EXPECT_EQ(event.socket, pair.here());
    result += (event.events & EPOLLIN) != 0 ? 'i' : '-';
    result += (event.events & EPOLLOUT) != 0 ? 'o' : '-';
  }
  return result;
}

TEST(SocketWatch, TellsOfWhatItWasAskedFor) {
  SocketWatch watch;
  ASSERT_TRUE(watch.is_open());
  const Pair pair;
  EXPECT_EQ(text(watch.wait(0), pair), "");
  EXPECT_TRUE(watch.watch(pair.here(), EPOLLIN));
  EXPECT_EQ(text(watch.wait(0), pair), "");
  EXPECT_TRUE(watch.watch(pair.here(), EPOLLIN | EPOLLOUT));
  EXPECT_EQ(text(watch.wait(0), pair), "-o");
  pair.make_readable();
  EXPECT_EQ(text(watch.wait(0), pair), "io");
  EXPECT_TRUE(watch.watch(pair.here(), EPOLLIN));
  EXPECT_EQ(text(watch.wait(0), pair), "i-");
  watch.forget(pair.here());
  EXPECT_EQ(text(watch.wait(0), pair), "");
  EXPECT_TRUE(watch.watch(pair.here(), EPOLLIN));
  EXPECT_EQ(text(watch.wait(0), pair), "i-");
  watch.close();
  EXPECT_FALSE(watch.is_open());
  EXPECT_FALSE(watch.watch(pair.here(), EPOLLOUT));
}

// A copy, as a forked child has one, keeps the closed socket in the set.
TEST(SocketWatch, AClosedSocketWhoseCopyLivesIsNotReportedForEver) {
  SocketWatch watch;
  const Pair other;
  EXPECT_TRUE(watch.watch(other.here(), EPOLLIN));
  int copy = -1;
  {
    const Pair pair;
    EXPECT_TRUE(watch.watch(pair.here(), EPOLLOUT));
    copy = ::fcntl(pair.here(), F_DUPFD_CLOEXEC, 0);
    ::close(pair.here());
    watch.forget(pair.here());
    EXPECT_EQ(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), pair.here());  // for ~Pair()
    EXPECT_TRUE(watch.wait(0).empty());
  }
  // The copy's event would end this at once.
  const TimePoint begin = system_clock().now();
  EXPECT_TRUE(watch.wait(5).empty());
  EXPECT_GE(system_clock().now() - begin, std::chrono::milliseconds(5));
  other.make_readable();
  EXPECT_EQ(text(watch.wait(0), other), "i-");
  ::close(copy);
}

TEST(SocketWatch, AStaleEventIsNotTakenForOneOfTheNumbersNewSocket) {
  SocketWatch watch;
  const Pair pair;
  EXPECT_TRUE(watch.watch(pair.here(), EPOLLOUT));
  const int copy = ::fcntl(pair.here(), F_DUPFD_CLOEXEC, 0);
  const Pair next;
  EXPECT_EQ(::dup2(next.here(), pair.here()), pair.here());  // closes it first
  watch.forget(pair.here());
  EXPECT_TRUE(watch.watch(pair.here(), EPOLLIN));
  EXPECT_EQ(text(watch.wait(0), pair), "");  // the copy is ready to be written to
  next.make_readable();
  EXPECT_EQ(text(watch.wait(0), pair), "i-");
  EXPECT_EQ(text(watch.wait(0), pair), "i-");
  ::close(copy);
}

// epoll's refusal ended all exchanges of the thread.
TEST(SocketWatch, ANumberThatIsAnotherSocketsByNowIsWatchedAllTheSame) {
  SocketWatch watch;
  const Pair pair;
  EXPECT_TRUE(watch.watch(pair.here(), EPOLLOUT));
  const Pair next;
  EXPECT_EQ(::dup2(next.here(), pair.here()), pair.here());
  EXPECT_TRUE(watch.watch(pair.here(), EPOLLIN));
  EXPECT_EQ(text(watch.wait(0), pair), "");
  next.make_readable();
  EXPECT_EQ(text(watch.wait(0), pair), "i-");
}

TEST(SocketWatch, AReopenedNumberIsWatchedForTheSameEvents) {
  SocketWatch watch;
  const Pair pair;
  watch.reopened(pair.here());  // nobody had it watched
  EXPECT_TRUE(watch.wait(0).empty());
  EXPECT_TRUE(watch.watch(pair.here(), EPOLLOUT));
  const Pair next;
  EXPECT_EQ(::dup2(next.here(), pair.here()), pair.here());
  EXPECT_TRUE(watch.wait(0).empty());
  watch.reopened(pair.here());
  EXPECT_EQ(text(watch.wait(0), pair), "-o");
}

// As where the system has no memory for one more: then nothing is known of that number.
TEST(SocketWatch, ANumberWhoseNewOwnerIsRefusedIsNotReportedForTheOldOnesCopy) {
  SocketWatch watch;
  const Pair pair;
  EXPECT_TRUE(watch.watch(pair.here(), EPOLLOUT));
  const int copy = ::fcntl(pair.here(), F_DUPFD_CLOEXEC, 0);
  const int file = ::memfd_create("epoll takes no files", MFD_CLOEXEC);
  EXPECT_EQ(::dup2(file, pair.here()), pair.here());
  watch.reopened(pair.here());
  EXPECT_TRUE(watch.wait(0).empty());
  ::close(file);
  ::close(copy);
}

TEST(SocketWatch, MoreReadySocketsThanOneWaitReturns) {
  SocketWatch watch;
  std::vector<std::unique_ptr<Pair>> pairs;
  for (std::size_t i = 0; i < SocketWatch::kEventsPerWait + 1; ++i) {
    pairs.push_back(std::make_unique<Pair>());
    EXPECT_TRUE(watch.watch(pairs.back()->here(), EPOLLOUT));
  }
  EXPECT_EQ(watch.wait(0).size(), SocketWatch::kEventsPerWait);
}

}  // namespace
}  // namespace ossmc
