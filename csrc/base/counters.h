// Counters: what the core counts since construction. Relaxed atomics: each is exact, together they
// are a near-snapshot.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/histogram.h"
#include "base/line_speed.h"

namespace ossmc {

using Counter = std::atomic<std::uint64_t>;

struct Counters {
  Counter bytes_received{0};  // body bytes that arrived
  Counter bytes_read{0};      // bytes handed to callers
  Counter requests{0};        // exchanges started, retries included
  Counter retries{0};
  Counter throttles{0};  // replies 429/503 and their like
  Counter hedges{0};
  Counter refetches{0};        // chunks fetched again after eviction
  Counter prefetch_hits{0};    // reads that found their bytes in memory
  Counter prefetch_misses{0};  // reads that had to wait
  Counter connections{0};      // open connections now

  // Of the attempts that completed a chunk, in microseconds since the attempt's start.
  Histogram chunk_first_byte_us;  // until the first byte of the reply
  Histogram chunk_whole_us;       // until the last byte
  LineSpeed line;                 // of all attempts that brought what they were to bring
};

inline void add(Counter& counter, std::uint64_t n = 1) {
  counter.fetch_add(n, std::memory_order_relaxed);
}
inline std::uint64_t load(const Counter& counter) {
  return counter.load(std::memory_order_relaxed);
}

}  // namespace ossmc
