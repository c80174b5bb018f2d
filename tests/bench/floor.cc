// The floor: what it costs to receive the bytes and do nothing with them (receive.h).
//
//   floor PORT THREADS CHUNK_MIB PASSES MODE OBJECT_BYTES PATH...
//
// MODE 0: one warm scratch buffer a thread, bytes dropped: "the floor". 1: fresh memory, 4 KiB
// pages, whatever the system's default is. 2: fresh memory, huge pages. The latter two are floors
// for data that must stay. Memory is fresh in the first pass alone.
#include "receive.h"

namespace {

class TcpConnection {
 public:
  explicit TcpConnection(int port) : fd_(connect_to_loopback(port)) {}
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;
  ~TcpConnection() { ::close(fd_); }

  void send_all(const char* data, std::size_t size) {
    if (::send(fd_, data, size, 0) != static_cast<ssize_t>(size)) fail("send");
  }

  std::size_t receive(char* to, std::size_t size) {
    const ssize_t count = ::recv(fd_, to, size, 0);
    if (count < 0) fail("recv");
    return static_cast<std::size_t>(count);
  }

 private:
  const int fd_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 8) {
    std::fputs("usage: floor PORT THREADS CHUNK_MIB PASSES MODE OBJECT_BYTES PATH...\n", stderr);
    return 2;
  }
  const int port = std::atoi(arguments[1]);
  const int threads = std::atoi(arguments[2]);
  const std::size_t chunk_bytes = std::strtoull(arguments[3], nullptr, 10) << 20;
  const int passes = std::atoi(arguments[4]);
  const auto into = static_cast<Into>(std::atoi(arguments[5]));
  const std::size_t object_bytes = std::strtoull(arguments[6], nullptr, 10);
  const std::vector<std::string> paths(arguments + 7, arguments + count);
  receive_all<TcpConnection>(port, threads, passes,
                             jobs_of(paths, object_bytes, chunk_bytes, into));
  return 0;
}
