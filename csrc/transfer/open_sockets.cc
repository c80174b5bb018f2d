#include "transfer/open_sockets.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace ossmc {

int OpenSockets::open(int family, int type, int protocol) {
  shared_.add_socket();
  const int fd = ::socket(family, type | SOCK_CLOEXEC, protocol);
  if (fd < 0) {
    shared_.remove_sockets(1);
    return fd;
  }
  forget(fd);
  // One of this number that libcurl closed by itself and has replaced at once: it does not have the
  // new one watched, for it sees no change.
  watch_.reopened(fd);
  open_.push_back({fd, FileIdentity(fd)});
  any_opened_ = true;
  add(counters_.connections);
  return fd;
}

int OpenSockets::close(int fd) {
  const bool is_others = std::any_of(open_.begin(), open_.end(), [fd](const Open& one) {
    return one.fd == fd && !one.identity.is_of(fd);
  });
  if (is_others) {
    watch_.forget(fd);
    forget(fd);
    return 0;
  }
  // A forked child may hold a copy of the socket; the peer is to see the end all the same.
  ::shutdown(fd, SHUT_RDWR);
  watch_.forget(fd);
  const int result = ::close(fd);
  forget(fd);
  return result;
}

void OpenSockets::forget(int fd) {
  const auto erased = std::erase_if(open_, [fd](const Open& one) { return one.fd == fd; });
  count_closed(erased);
}

void OpenSockets::forget_closed() {
  const auto erased =
      std::erase_if(open_, [](const Open& one) { return !one.identity.is_of(one.fd); });
  count_closed(erased);
}

void OpenSockets::forget_all() {
  count_closed(open_.size());
  open_.clear();
}

void OpenSockets::close_all() {
  while (!open_.empty()) close(open_.back().fd);
}

void OpenSockets::count_closed(std::size_t count) {
  counters_.connections.fetch_sub(count, std::memory_order_relaxed);
  shared_.remove_sockets(count);
}

}  // namespace ossmc
