#include "support/csrc/wire_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>

namespace ossmc {
namespace {

constexpr std::size_t kMaxHeadBytes = 1 << 20;

// For condition variables. On the system's clock, since GCC's ThreadSanitizer does not know how
// libstdc++ waits on the steady one and reports races that are none.
std::chrono::system_clock::time_point after(Duration duration) {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(duration);
}

bool is_readable(int fd, int timeout_ms) {
  pollfd waited{fd, POLLIN, 0};
  return ::poll(&waited, 1, timeout_ms) > 0;
}

}  // namespace

std::string http_reply(int status, std::string_view body, const std::vector<std::string>& headers) {
  std::vector<std::string> all = headers;
  all.push_back("Content-Length: " + std::to_string(body.size()));
  return http_head(std::to_string(status) + " Reply", all).append(body);
}

std::string http_head(std::string_view first_line, const std::vector<std::string>& headers) {
  std::string text = "HTTP/1.1 ";
  text.append(first_line).append("\r\n");
  for (const std::string& header : headers) text.append(header).append("\r\n");
  return text.append("\r\n");
}

std::string WireRequest::header(std::string_view name) const {
  std::string value;
  std::size_t at = text.find("\r\n");
  while (at != std::string::npos) {
    at += 2;
    const std::size_t end = text.find("\r\n", at);
    const std::string_view line = std::string_view(text).substr(at, end - at);
    if (line.size() > name.size() && line[name.size()] == ':' &&
        ::strncasecmp(line.data(), name.data(), name.size()) == 0) {
      const std::size_t first = line.find_first_not_of(' ', name.size() + 1);
      value = first == std::string_view::npos ? "" : std::string(line.substr(first));
    }
    at = end;
  }
  return value;
}

bool WireConnection::send(std::string_view bytes) {
  while (fd_ >= 0 && !bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return fd_ >= 0;
}

bool WireConnection::wait(Duration duration) {
  std::unique_lock lock(server_.mutex_);
  return !server_.changed_.wait_until(lock, after(duration), [this] { return server_.ending_; });
}

bool WireConnection::wait_for_peer_to_close() {
  std::array<char, 4096> dropped;
  while (fd_ >= 0) {
    const ssize_t got = ::recv(fd_, dropped.data(), dropped.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
  }
  const std::lock_guard lock(server_.mutex_);
  return !server_.ending_;
}

void WireConnection::close() {
  if (fd_ < 0) return;
  ::shutdown(fd_, SHUT_WR);
  // Bytes left unread would turn the end into a reset.
  std::array<char, 4096> dropped;
  while (is_readable(fd_, 0) && ::recv(fd_, dropped.data(), dropped.size(), 0) > 0) {
  }
  server_.forget(std::exchange(fd_, -1), false);
}

void WireConnection::reset() {
  if (fd_ >= 0) server_.forget(std::exchange(fd_, -1), true);
}

bool WireConnection::read_head(std::string& text) {
  std::array<char, 4096> buffer;
  std::size_t end = 0;
  while ((end = unread_.find("\r\n\r\n")) == std::string::npos) {
    const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || unread_.size() > kMaxHeadBytes) return false;
    unread_.append(buffer.data(), static_cast<std::size_t>(got));
  }
  text = unread_.substr(0, end + 4);
  unread_.erase(0, end + 4);
  return true;
}

WireServer::WireServer(Script script, AcceptScript on_accept)
    : script_(std::move(script)), on_accept_(std::move(on_accept)) {
  listen_fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (listen_fd_ < 0 || ::bind(listen_fd_, raw, size) != 0 || ::listen(listen_fd_, 512) != 0 ||
      ::getsockname(listen_fd_, raw, &size) != 0) {
    throw std::runtime_error("WireServer: no socket to listen on");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

WireServer::~WireServer() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    ::shutdown(listen_fd_, SHUT_RDWR);  // ends accept()
    for (const Served& one : served_) {
      if (one.fd >= 0) ::shutdown(one.fd, SHUT_RDWR);  // ends recv() and send()
    }
    changed_.notify_all();
  }
  acceptor_.join();
  for (Served& one : served_) one.thread.join();
  ::close(listen_fd_);
}

std::string WireServer::url(std::string_view path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
}

std::vector<WireRequest> WireServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

int WireServer::connections() const {
  const std::lock_guard lock(mutex_);
  return accepted_;
}

int WireServer::open_connections() const {
  const std::lock_guard lock(mutex_);
  return open_;
}

bool WireServer::wait_until(const std::function<bool()>& condition, Duration limit) const {
  const TimePoint until = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, after(std::chrono::milliseconds(5)));
  }
  return true;
}

void WireServer::accept_all() {
  for (;;) {
    const int fd = ::accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (fd < 0) return;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    join_ended();
    const std::lock_guard lock(mutex_);
    if (ending_ || open_ >= kMaxConnections) {
      ::close(fd);
      continue;
    }
    const int number = accepted_++;
    ++open_;
    Served& served = served_.emplace_back();
    served.fd = fd;
    served.thread = std::thread([this, number, fd, &served] {
      serve(number, fd);
      const std::lock_guard ended(mutex_);
      served.has_ended = true;
    });
    changed_.notify_all();
  }
}

void WireServer::join_ended() {
  std::list<Served> ended;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = served_.begin(); it != served_.end();) {
      const auto one = it++;
      if (one->has_ended) ended.splice(ended.end(), served_, one);
    }
  }
  for (Served& one : ended) one.thread.join();
}

void WireServer::serve(int number, int fd) {
  WireConnection connection(*this, number, fd);
  if (on_accept_) on_accept_(connection);
  std::string text;
  for (int count = 0; connection.fd_ >= 0 && connection.read_head(text); ++count) {
    WireRequest request;
    remember(connection, count, std::move(text), request);
    script_(connection, request);
  }
  connection.close();
}

void WireServer::remember(WireConnection& connection, int number, std::string text,
                          WireRequest& request) {
  request.connection = connection.number();
  request.number = number;
  const std::size_t blank = text.find(' ');
  const std::size_t second = text.find(' ', blank + 1);
  request.method = text.substr(0, blank);
  request.target = text.substr(blank + 1, second - blank - 1);
  request.text = std::move(text);
  const std::lock_guard lock(mutex_);
  requests_.push_back(request);
  changed_.notify_all();
}

void WireServer::forget(int fd, bool with_reset) {
  const std::lock_guard lock(mutex_);
  for (Served& one : served_) {
    if (one.fd == fd) one.fd = -1;  // the destructor must not touch a number used anew
  }
  if (with_reset) {
    const linger none{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  }
  ::close(fd);
  --open_;
  changed_.notify_all();
}

}  // namespace ossmc
