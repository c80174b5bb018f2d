// The reference receive: T threads, each with one blocking keep-alive connection, ranged GETs, the
// body in calls of 256 KiB, no HTTP library. floor.cc does it over TCP, tls_floor.cc over TLS.
// Prints a line of JSON a pass over all jobs: its bytes, seconds and CPU seconds of all threads,
// the peak of resident memory and what was resident before the first pass.
// The first pass makes threads and connections, later ones find them there.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

constexpr std::size_t kReceiveBytes = 256 << 10;

[[noreturn]] inline void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

inline int connect_to_loopback(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("connect");
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

// A range of an object, and where its bytes go: nowhere when `to` is null.
struct Job {
  std::string path;
  std::size_t offset;
  std::size_t bytes;
  char* to;
};

// What happens to the bytes.
enum class Into { kScratch = 0, kFreshSmallPages = 1, kFreshHugePages = 2 };

inline std::vector<Job> jobs_of(const std::vector<std::string>& paths, std::size_t object_bytes,
                                std::size_t chunk_bytes, Into into) {
  std::vector<Job> jobs;
  for (const std::string& path : paths) {
    char* base = nullptr;
    if (into != Into::kScratch) {
      void* fresh =
          ::mmap(nullptr, object_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (fresh == MAP_FAILED) fail("mmap");
      ::madvise(fresh, object_bytes,
                into == Into::kFreshHugePages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
      base = static_cast<char*>(fresh);
    }
    for (std::size_t at = 0; at < object_bytes; at += chunk_bytes) {
      const std::size_t bytes = std::min(chunk_bytes, object_bytes - at);
      jobs.push_back({path, at, bytes, base == nullptr ? nullptr : base + at});
    }
  }
  return jobs;
}

// Takes jobs until there are no more.
template <typename Connection>
void work(Connection& connection, std::vector<char>& scratch, const std::vector<Job>& jobs,
          std::atomic<std::size_t>& next) {
  char head[4096];
  for (std::size_t number = next++; number < jobs.size(); number = next++) {
    const Job& job = jobs[number];
    const int length = std::snprintf(head, sizeof head,
                                     "GET %s HTTP/1.1\r\nHost: x\r\nRange: bytes=%zu-%zu\r\n\r\n",
                                     job.path.c_str(), job.offset, job.offset + job.bytes - 1);
    connection.send_all(head, static_cast<std::size_t>(length));
    std::size_t have = 0;
    const char* body = nullptr;
    while (body == nullptr) {
      if (have == sizeof head) fail("the reply's head is too long");
      const std::size_t count = connection.receive(head + have, sizeof head - have);
      if (count == 0) fail("the server closed the connection");
      have += count;
      body = static_cast<const char*>(::memmem(head, have, "\r\n\r\n", 4));
    }
    if (std::strncmp(head, "HTTP/1.1 206 ", 13) != 0) fail("the reply is no 206");
    body += 4;
    std::size_t got = static_cast<std::size_t>(head + have - body);
    if (job.to != nullptr) std::memcpy(job.to, body, got);
    while (got < job.bytes) {
      char* to = job.to == nullptr ? scratch.data() : job.to + got;
      const std::size_t count = connection.receive(to, std::min(job.bytes - got, kReceiveBytes));
      if (count == 0) fail("the server closed the connection");
      got += count;
    }
  }
}

// A line of /proc/self/status: "VmRSS:", "VmHWM:". The peak is not rusage's: that one remembers the
// parent.
inline std::size_t status_bytes(const char* field) {
  std::FILE* file = std::fopen("/proc/self/status", "re");
  if (file == nullptr) fail("/proc/self/status");
  std::size_t kib = 0;
  char line[256];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, field, std::strlen(field)) != 0) continue;
    kib = std::strtoull(line + std::strlen(field), nullptr, 10);
    break;
  }
  std::fclose(file);
  return kib * 1024;
}

// What this process spends from its making to print().
class Meter {
 public:
  void print(std::size_t bytes, std::size_t resident_before) const {
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin_;
    const rusage now = usage();
    std::printf(
        R"({"bytes": %zu, "seconds": %.6f, "user_seconds": %.6f, "system_seconds": %.6f, "peak_rss_bytes": %zu, "resident_before_bytes": %zu})"
        "\n",
        bytes, seconds.count(), in_seconds(now.ru_utime) - in_seconds(before_.ru_utime),
        in_seconds(now.ru_stime) - in_seconds(before_.ru_stime), status_bytes("VmHWM:"),
        resident_before);
  }

 private:
  static rusage usage() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage;
  }

  static double in_seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  }

  rusage before_ = usage();
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// Connection: constructed on its thread from a port; send_all(data, size), receive(to, size) -> n.
template <typename Connection>
void receive_all(int port, int threads, int passes, const std::vector<Job>& jobs) {
  std::size_t bytes = 0;
  for (const Job& job : jobs) bytes += job.bytes;
  const std::size_t resident_before = status_bytes("VmRSS:");

  std::atomic<std::size_t> next{0};
  // Passed by the threads and by this one when a pass begins and when it ends.
  std::barrier<> gate(threads + 1);
  std::vector<std::thread> workers;
  for (int pass = 0; pass < passes; ++pass) {
    next = 0;
    const Meter meter;
    if (pass == 0) {
      for (int i = 0; i < threads; ++i) {
        workers.emplace_back([&] {
          Connection connection(port);
          std::vector<char> scratch(kReceiveBytes);
          for (int mine = 0; mine < passes; ++mine) {
            gate.arrive_and_wait();
            work(connection, scratch, jobs, next);
            gate.arrive_and_wait();
          }
        });
      }
    }
    gate.arrive_and_wait();
    gate.arrive_and_wait();
    meter.print(bytes, resident_before);
  }
  for (std::thread& worker : workers) worker.join();
}
