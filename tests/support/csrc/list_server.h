// ListServer: answers ListObjectsV2 over a shape of keys, fast enough that the client is the limit.
//
// All rows are XML before the first request: a page is a head, one slice of the rows and a tail.
// Takes about 250 bytes a key and the key. Reads path-style URLs, checks no signature, answers
// nothing else. GET /bucket?list-type=2&encoding-type=url with prefix, start-after,
// continuation-token and max-keys. Keys are percent-encoded also for those who do not ask for
// it with encoding-type, which a shape of plain letters and digits does not show.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/csrc/key_shapes.h"

namespace ossmc {

// What goes wrong, at requests that only their number picks.
struct ListTrouble {
  double refused = 0;        // the share that is answered by 503
  double reset = 0;          // the share whose connection breaks in the middle of the reply
  bool short_pages = false;  // from 1 key to as many as were asked for, and still truncated
  bool changing = false;     // may_be_absent() keys come and go from page to page
};

class ListServer {
 public:
  // Listens on 127.0.0.1, on a port that the kernel picks. Each reply waits `latency_ms` first.
  // `shape` must outlive the server.
  ListServer(const KeyShape& shape, double latency_ms, ListTrouble trouble = {});
  ListServer(const ListServer&) = delete;
  ListServer& operator=(const ListServer&) = delete;

  // Whether key number `index` is one of those that come and go with ListTrouble::changing.
  static bool may_be_absent(std::uint64_t index) { return index % 4 == 1; }

  // 0: it cannot listen.
  int port() const { return port_; }
  // A thread a connection, until the process ends.
  [[noreturn]] void serve() const;

 private:
  struct Reply {
    std::string head;  // of HTTP and of the document
    std::string_view rows;
    std::string_view tail;
    std::string chosen;  // what `rows` shows where they are no slice of all rows
  };

  void add_row(std::uint64_t index);
  void serve_connection(int connection) const;
  Reply answer(std::string_view target, std::uint64_t number) const;
  std::string_view slice(std::uint64_t begin, std::uint64_t end) const;

  const KeyShape& shape_;
  const double latency_ms_;
  const ListTrouble trouble_;
  mutable std::atomic<std::uint64_t> requests_{0};
  std::string rows_;
  std::vector<std::uint64_t> begins_;  // of each row, and the end of the last one
  int listener_ = -1;
  int port_ = 0;
};

}  // namespace ossmc
