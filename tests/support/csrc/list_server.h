// ListServer: answers ListObjectsV2 over a shape of keys, fast enough that the client is the limit.
//
// All rows are XML before the first request: a page is a head, one slice of the rows and a tail.
// Takes about 250 bytes a key and the key. Reads path-style URLs, checks no signature, answers
// nothing else. GET /bucket?list-type=2&encoding-type=url with prefix, start-after,
// continuation-token and max-keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/csrc/key_shapes.h"

namespace ossmc {

class ListServer {
 public:
  // Listens on 127.0.0.1, on a port that the kernel picks. Each reply waits `latency_ms` first.
  // `shape` must outlive the server.
  ListServer(const KeyShape& shape, double latency_ms);
  ListServer(const ListServer&) = delete;
  ListServer& operator=(const ListServer&) = delete;

  // 0: it cannot listen.
  int port() const { return port_; }
  // A thread a connection, until the process ends.
  [[noreturn]] void serve() const;

 private:
  struct Reply {
    std::string head;  // of HTTP and of the document
    std::string_view rows;
    std::string_view tail;
  };

  void add_row(std::uint64_t index);
  void serve_connection(int connection) const;
  Reply answer(std::string_view target) const;

  const KeyShape& shape_;
  const double latency_ms_;
  std::string rows_;
  std::vector<std::uint64_t> begins_;  // of each row, and the end of the last one
  int listener_ = -1;
  int port_ = 0;
};

}  // namespace ossmc
