// SocketWatch: the descriptors that an event loop waits for, in an epoll set that heals itself.
//
// Owned and used by one thread; wait() may be called outside the fork gate.
//
// The loop knows a socket by its number, epoll by its file. The two part when a socket is closed
// before it is taken out of the set, as libcurl 7.88 closes those that are not connected yet. As a
// rule it leaves the set by being closed. But where a forked child has a copy, the file lives on
// and is still registered, nobody can take it out by its number, and once it is ready epoll says so
// at each wait. So each registration carries a serial number, and an event that carries another one
// than the loop's makes the set anew.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>

namespace ossmc {

// A file descriptor, closed at the end.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }  // negative: none, or closed
  void close();
  // Not ours any more: the number is left as it is.
  void forget() { fd_ = -1; }
  void swap(Descriptor& other) noexcept;

 private:
  int fd_;
};

struct SocketEvent {
  int socket = -1;
  std::uint32_t events = 0;  // epoll's
};

class SocketWatch {
 public:
  static constexpr std::size_t kEventsPerWait = 64;

  SocketWatch();
  // False: the system gave no descriptor (errno), or it was closed.
  bool is_open() const { return epoll_.get() >= 0; }
  void close() { epoll_.close(); }
  // Whether the set is still ours, told by what it holds. REQUIRES: `socket` is watched and ours.
  bool holds(int socket) const;
  // Begins with a new, empty set. `is_ours`: else the old one was closed by somebody else, and the
  // number may be another's. False: the system gave none.
  bool begin_anew(bool is_ours);

  // Waits for `events` of `socket` from now on, in place of what it was watched for. False: the
  // system refused (errno).
  bool watch(int socket, std::uint32_t events);
  // It may be closed already.
  void forget(int socket);
  // This number is a new socket's. If it is watched, its socket was closed without forget(), and
  // what was to be watched of that one is of the new one.
  void reopened(int socket);
  // Whether wait() has found that the set is none: somebody else has closed it.
  bool is_lost() const { return is_lost_; }
  // Waits for events and returns them; they hold until the next call.
  std::span<const SocketEvent> wait(int timeout_ms);

 private:
  struct Registration {
    std::uint32_t events = 0;
    std::uint32_t serial = 0;
  };
  static bool apply(int epoll, int operation, int socket, const Registration& registration);
  void make_anew();

  Descriptor epoll_;
  std::unordered_map<int, Registration> watched_;
  std::uint32_t last_serial_ = 0;
  bool is_lost_ = false;
  std::array<SocketEvent, kEventsPerWait> events_;
};

}  // namespace ossmc
