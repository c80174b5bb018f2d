// WireServer: an HTTP/1.1 server of raw sockets for tests, which can lie.
//
// A script plays the reply to each request: it sends whatever bytes it likes, waits, closes or
// resets. Nothing checks that they make sense. The server keeps the text of every request.
//
//   WireServer server([](WireConnection& peer, const WireRequest&) {
//     peer.send(http_reply(200, "hello"));
//   });
//   ... GET server.url("/a/b") ...
//
// Owned by the test. Listens on 127.0.0.1, on a port that the kernel picks; one thread for each
// connection, kMaxConnections of them at a time. Scripts run on those threads, several at a time.
// The destructor ends all waits, closes all connections and joins all threads.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace ossmc {

// A whole reply with Content-Length and the given headers, "Name: value" each.
std::string http_reply(int status, std::string_view body,
                       const std::vector<std::string>& headers = {});
// Only a head, with an empty line at its end and nothing added. `first_line` without "HTTP/1.1 ".
std::string http_head(std::string_view first_line, const std::vector<std::string>& headers = {});

struct WireRequest {
  int connection = 0;  // the how-manieth accepted, from 0
  int number = 0;      // the how-manieth on this connection, from 0
  std::string method;
  std::string target;  // as it stood on the wire
  std::string text;    // the whole head

  // Value of the last header of this name, in any case; empty: none.
  std::string header(std::string_view name) const;
};

class WireServer;

// One accepted connection, as its script sees it. Used on its own thread only.
class WireConnection {
 public:
  int number() const { return number_; }
  // False once the peer or the server is gone.
  bool send(std::string_view bytes);
  // Waits, but not beyond the server's end. False at the server's end.
  bool wait(Duration duration);
  // Waits until the peer is gone (true) or the server ends.
  bool wait_for_peer_to_close();
  // An orderly end (FIN). Unless the script calls this or reset(), the next request is read.
  void close();
  // The peer gets RST.
  void reset();

 private:
  friend class WireServer;
  WireConnection(WireServer& server, int number, int fd)
      : server_(server), number_(number), fd_(fd) {}
  bool read_head(std::string& text);

  WireServer& server_;
  const int number_;
  int fd_;  // -1: closed
  std::string unread_;
};

class WireServer {
 public:
  static constexpr int kMaxConnections = 256;

  using Script = std::function<void(WireConnection&, const WireRequest&)>;
  // Called when a connection was accepted, before anything is read.
  using AcceptScript = std::function<void(WireConnection&)>;

  explicit WireServer(Script script, AcceptScript on_accept = {});
  ~WireServer();
  WireServer(const WireServer&) = delete;
  WireServer& operator=(const WireServer&) = delete;

  int port() const { return port_; }
  // "http://127.0.0.1:PORT" + path.
  std::string url(std::string_view path) const;

  // In the order of their arrival.
  std::vector<WireRequest> requests() const;
  int connections() const;       // accepted so far
  int open_connections() const;  // still open on this side
  // Waits until the condition holds, which is looked at whenever something happened here. False:
  // not within `limit`.
  bool wait_until(const std::function<bool()>& condition, Duration limit) const;

 private:
  friend class WireConnection;

  struct Served {
    int fd = -1;  // of the connection while its thread may use it
    bool has_ended = false;
    std::thread thread;
  };

  void accept_all();
  void join_ended();
  void serve(int number, int fd);
  void remember(WireConnection& connection, int number, std::string text, WireRequest& request);
  void forget(int fd, bool with_reset);

  const Script script_;
  const AcceptScript on_accept_;
  int listen_fd_ = -1;
  int port_ = 0;
  std::thread acceptor_;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  // Guarded by mutex_.
  bool ending_ = false;
  int accepted_ = 0;
  int open_ = 0;
  std::list<Served> served_;
  std::vector<WireRequest> requests_;
};

}  // namespace ossmc
