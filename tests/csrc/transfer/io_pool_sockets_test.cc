// IoPool and sockets that come and go without its being told, and processes forked meanwhile.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <thread>

#include "base/fork_gate.h"
#include "csrc/transfer/io_pool_fixture.h"
#include "transfer/io_pool.h"

namespace ossmc {
namespace {

using IoPoolSockets = IoPoolTest;

// A socket that listens on 127.0.0.1.
class Listener {
 public:
  explicit Listener(int backlog) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = loopback(0);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd_, backlog), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { close(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  static sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
  }
  int fd() const { return fd_; }
  int port() const { return port_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
  int port_ = 0;
};

// Descriptors of this process that `wanted` is true of.
std::vector<int> descriptors(const std::function<bool(int)>& wanted) {
  std::vector<int> result;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    if (wanted(fd)) result.push_back(fd);
  }
  return result;
}

// Sockets of TCP that are neither connected nor listening.
bool is_connecting(int fd) {
  int type = 0;
  int listens = 0;
  sockaddr_in peer{};
  socklen_t size = sizeof type;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) return false;
  size = sizeof listens;
  ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
  socklen_t peer_size = sizeof peer;
  return listens == 0 && ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0;
}

Duration cpu_time_of(clockid_t clock) {
  timespec time{};
  EXPECT_EQ(::clock_gettime(clock, &time), 0);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// libcurl 7.88 closes a socket that does not connect in time before it says so. A child's copy
// kept it in the thread's epoll set, and once it was ready the thread never slept again.
TEST_F(IoPoolSockets, AThreadSleepsThoughAForkedChildHasACopyOfASocketThatWasGivenUp) {
  // Full: further connections are left waiting.
  const Listener listener(0);
  std::vector<int> in_queue;
  for (int i = 0; i < 2; ++i) {
    in_queue.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address = Listener::loopback(listener.port());
    ::connect(in_queue.back(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  const std::vector<int> before = descriptors(is_connecting);
  RecordedExchange exchange("http://127.0.0.1:" + std::to_string(listener.port()) + "/");
  clockid_t clock{};
  exchange.on_start_ = [&clock] { pthread_getcpuclockid(pthread_self(), &clock); };
  start();
  submit(exchange);
  ASSERT_TRUE(eventually([&] { return descriptors(is_connecting).size() == before.size() + 1; }));

  std::array<int, 2> go{};
  ASSERT_EQ(::pipe(go.data()), 0);
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // Makes its copies ready, once the parent has closed its own.
    char byte = 0;
    ::close(go[1]);
    static_cast<void>(!::read(go[0], &byte, 1));
    for (const int fd : descriptors(is_connecting)) ::shutdown(fd, SHUT_RDWR);
    static_cast<void>(!::write(ready[1], &byte, 1));
    static_cast<void>(!::read(go[0], &byte, 1));  // until the parent closes it
    ::_exit(0);
  }
  exchange.cancelled_ = true;
  pool_->wake();
  EXPECT_EQ(exchange.wait().error, TransportError::kCancelled);
  EXPECT_TRUE(eventually([&] { return descriptors(is_connecting) == before; }));
  char byte = 'x';
  EXPECT_EQ(::write(go[1], &byte, 1), 1);
  EXPECT_EQ(::read(ready[0], &byte, 1), 1);

  const Duration begin = cpu_time_of(clock);
  for (int i = 0; i < 50 && cpu_time_of(clock) - begin < 100ms; ++i) {
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_LT(cpu_time_of(clock) - begin, 100ms);

  ::close(go[1]);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  for (const int fd : {go[0], ready[0], ready[1]}) ::close(fd);
  for (const int fd : in_queue) ::close(fd);
}

// A child that drops a view tells "its" I/O threads: they are the parent's, and so is the pipe.
TEST_F(IoPoolSockets, AForkedChildWakesNoThreadOfItsParent) {
  options_.threads = 1;
  // What the test was started with may be pipes too.
  const std::vector<int> before = descriptors([](int) { return true; });
  start();
  ASSERT_TRUE(eventually([&] { return source_.asked_.load() > 0; }));
  ASSERT_TRUE(fork_gate().close(10s));  // it sleeps, and once awake it waits here
  const std::vector<int> events = descriptors([&](int fd) {
    if (std::ranges::find(before, fd) != before.end()) return false;
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    std::error_code error;
    return std::filesystem::read_symlink(path, error).string().starts_with("pipe:");
  });
  EXPECT_FALSE(events.empty());
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    pool_->wake();
    ::_exit(0);
  }
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  for (const int fd : events) {
    pollfd event{fd, POLLIN, 0};
    EXPECT_EQ(::poll(&event, 1, 0), 0);
  }
  fork_gate().open();
}

}  // namespace
}  // namespace ossmc
