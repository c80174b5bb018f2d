#include "transfer/socket_watch.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace ossmc {

void Descriptor::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Descriptor::swap(Descriptor& other) noexcept { std::swap(fd_, other.fd_); }

SocketWatch::SocketWatch() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

bool SocketWatch::apply(int epoll, int operation, int socket, const Registration& registration) {
  epoll_event event{};
  event.events = registration.events;
  event.data.u64 = std::uint64_t{registration.serial} << 32 | static_cast<std::uint32_t>(socket);
  return ::epoll_ctl(epoll, operation, socket, &event) == 0;
}

bool SocketWatch::holds(int socket) const {
  const auto known = watched_.find(socket);
  return known != watched_.end() && apply(epoll_.get(), EPOLL_CTL_MOD, socket, known->second);
}

bool SocketWatch::begin_anew(bool is_ours) {
  watched_.clear();
  is_lost_ = false;
  if (!is_ours) epoll_.forget();
  Descriptor fresh(::epoll_create1(EPOLL_CLOEXEC));
  epoll_.swap(fresh);
  return is_open();
}

bool SocketWatch::watch(int socket, std::uint32_t events) {
  const auto known = watched_.find(socket);
  const bool is_known = known != watched_.end();
  Registration registration{events, is_known ? known->second.serial : ++last_serial_};
  bool done = apply(epoll_.get(), is_known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, registration);
  if (!done && errno == ENOENT) {  // the number is another socket's by now
    registration.serial = ++last_serial_;
    done = apply(epoll_.get(), EPOLL_CTL_ADD, socket, registration);
  } else if (!done && errno == EEXIST) {  // it was thought to have left the set
    done = apply(epoll_.get(), EPOLL_CTL_MOD, socket, registration);
  }
  if (done) watched_[socket] = registration;
  return done;
}

void SocketWatch::forget(int socket) {
  if (watched_.erase(socket) == 0) return;
  // Fails where it is closed; what may be left of it then, wait() sees to.
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket, nullptr);
}

void SocketWatch::reopened(int socket) {
  const auto known = watched_.find(socket);
  if (known == watched_.end()) return;
  const std::uint32_t events = known->second.events;
  watched_.erase(known);
  watch(socket, events);
}

std::span<const SocketEvent> SocketWatch::wait(int timeout_ms) {
  std::array<epoll_event, kEventsPerWait> raw;
  const int count =
      ::epoll_wait(epoll_.get(), raw.data(), static_cast<int>(raw.size()), timeout_ms);
  if (count < 0 && (errno == EBADF || errno == EINVAL)) is_lost_ = true;
  std::size_t good = 0;
  bool any_stale = false;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = raw[static_cast<std::size_t>(i)];
    const auto socket = static_cast<int>(static_cast<std::uint32_t>(event.data.u64));
    const auto known = watched_.find(socket);
    if (known == watched_.end() || known->second.serial != event.data.u64 >> 32) {
      any_stale = true;
    } else {
      events_[good++] = {socket, event.events};
    }
  }
  if (any_stale) make_anew();
  return std::span(events_).first(good);
}

void SocketWatch::make_anew() {
  // Where that fails, the next wait tries again.
  Descriptor fresh(::epoll_create1(EPOLL_CLOEXEC));
  if (fresh.get() < 0) return;
  for (const auto& [socket, registration] : watched_) {
    // One that is closed has no place there.
    if (!apply(fresh.get(), EPOLL_CTL_ADD, socket, registration) && errno != EBADF) return;
  }
  epoll_.swap(fresh);
}

}  // namespace ossmc
