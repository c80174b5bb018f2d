// OpenSockets: the sockets that libcurl has opened in one I/O thread, counted as connections.
#pragma once

#include <sys/types.h>

#include <vector>

#include "base/counters.h"

namespace ossmc {

// Used by one thread. libcurl asks it to open and close each socket, with one exception: one whose
// connection was given up before it was made, libcurl 7.88 closes by itself (cf-socket.c,
// cf_socket_close). forget_closed() finds those.
class OpenSockets {
 public:
  explicit OpenSockets(Counters& counters) : counters_(counters) {}
  ~OpenSockets() { forget_all(); }
  OpenSockets(const OpenSockets&) = delete;
  OpenSockets& operator=(const OpenSockets&) = delete;

  int open(int family, int type, int protocol);  // negative: as socket(2)
  int close(int fd);                             // as close(2)
  // After an exchange that ended before its connection was made.
  void forget_closed();
  void forget_all();

 private:
  struct Open {
    int fd;
    ino_t inode;  // tells whether the number is another's by now
  };
  void forget(int fd);

  Counters& counters_;
  std::vector<Open> open_;
};

}  // namespace ossmc
