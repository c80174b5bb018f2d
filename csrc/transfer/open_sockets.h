// OpenSockets: the sockets that libcurl has opened in one I/O thread, counted as connections.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/counters.h"
#include "base/file_identity.h"
#include "transfer/shared_descriptors.h"
#include "transfer/socket_watch.h"

namespace ossmc {

// Used by one thread. libcurl asks it to open and close each socket, with one exception: one whose
// connection was given up before it was made, libcurl 7.88 closes by itself (cf-socket.c,
// cf_socket_close). forget_closed() finds those.
class OpenSockets {
 public:
  // `watch`: where libcurl has them watched.
  OpenSockets(Counters& counters, SocketWatch& watch)
      : counters_(counters), watch_(watch), shared_(SharedDescriptors::of_this_process()) {}
  ~OpenSockets() { forget_all(); }
  OpenSockets(const OpenSockets&) = delete;
  OpenSockets& operator=(const OpenSockets&) = delete;

  // Negative: as socket(2).
  int open(int family, int type, int protocol);
  // As close(2); does nothing if somebody else has closed it.
  int close(int fd);
  // After an exchange that ended before its connection was made.
  void forget_closed();
  void forget_all();
  // Those that nobody else has closed.
  void close_all();
  // Whether any was opened since the last call.
  bool take_any_opened() { return std::exchange(any_opened_, false); }
  bool empty() const { return open_.empty(); }
  SharedDescriptors& shared() const { return shared_; }

 private:
  struct Open {
    int fd;
    FileIdentity identity;  // tells whether the number is another's by now
  };
  void forget(int fd);
  void count_closed(std::size_t count);

  Counters& counters_;
  SocketWatch& watch_;
  SharedDescriptors& shared_;
  std::vector<Open> open_;
  bool any_opened_ = false;
};

}  // namespace ossmc
