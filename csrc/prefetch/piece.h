// Piece: a part of one chunk that a call receives by a request of its own, in memory that it lends
// (docs/decisions/0010-reads-that-cost-what-they-ask.md).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/status.h"
#include "memory/lent_memory.h"
#include "memory/range_sink.h"
#include "prefetch/object_stream.h"
#include "prefetch/read_pattern.h"

namespace ossmc {

// What is large or small for reads that receive in their callers' memory.
struct PieceSizes {
  // A read of more receives whole chunks directly, where nobody fetches them yet. Of what goes by
  // chunk memory as much is kept for reading again (KeptBytes). Of an object that is not
  // prefetched: from so much on.
  std::uint64_t large_bytes = 64u << 20;
  std::uint64_t large_unprefetched_bytes = ReadPattern::kMostWindowBytes;
  // An object of which no more is left to sweep is swept, however it is read.
  std::uint64_t small_rest_bytes = 64u << 20;
  // Of an object that is prefetched, a chunk of no more comes whole and stays: a part of it would
  // hardly be there earlier.
  std::uint32_t small_chunk_bytes = 256u << 10;
  std::uint32_t bulk_bytes = 1u << 20;  // see PieceLine
};

struct Piece;

// What the pieces of one call have in common. Shared by the call and its pieces. Thread-safe.
struct PieceCall {
  const std::shared_ptr<LentMemory> memory = std::make_shared<LentMemory>();
  // How many pieces are not done; the call sleeps on it. Woken where so many are left or fewer, and
  // by each failure.
  std::atomic<std::uint32_t> missing{0};
  std::atomic<std::uint32_t> wake_at{0};
  std::atomic<bool> has_failed{false};
  // A call that takes its pieces one by one sleeps for this one: its end wakes, whatever is
  // missing.
  std::atomic<const Piece*> awaited{nullptr};
  // The scheduler's mutex. How many pieces are being received.
  int in_flight = 0;
  // How many pieces turned out to be the beginning of an object that is larger than what they ask
  // for (WholeObjects).
  std::atomic<std::uint32_t> grown{0};
};

// Shared by its call, the scheduler and the fetch that fills it. Constant where nothing else is
// said.
struct Piece {
  // Bytes [begin, begin + length) of the chunk. `memory`: what `parts` lie in; null: the call's.
  Piece(std::shared_ptr<ObjectStream> stream_in, std::uint64_t index_in, std::uint32_t begin_in,
        std::uint32_t length_in, std::vector<SinkPart> parts, std::shared_ptr<PieceCall> call_in,
        const std::shared_ptr<LentMemory>& memory = nullptr)
      : stream(std::move(stream_in)),
        index(index_in),
        begin(begin_in),
        call(std::move(call_in)),
        sink(length_in, std::move(parts), memory != nullptr ? memory : call->memory) {}

  std::uint32_t end() const { return begin + sink.length(); }
  bool is_whole() const { return begin == 0 && sink.length() == stream->chunk_length(index); }

  const std::shared_ptr<ObjectStream> stream;
  const std::uint64_t index;
  const std::uint32_t begin;
  const std::shared_ptr<PieceCall> call;
  RangeSink sink;
  // Of the first request of an object whose size is not known: where its bytes go, made with the
  // reply's head.
  std::unique_ptr<std::byte[]> own;
  // Written before `is_done`: its object is to be opened with HEAD, since this reply told no size.
  bool needs_head = false;
  // The end, once: `status` is written before `is_done` (release).
  std::atomic<bool> is_done{false};
  Status status;
  // The scheduler's mutex. Its request has ended; the call has ended, and cares no more.
  bool has_ended = false;
  bool is_given_up = false;
};

// To be called once, by whoever ends it, under no lock.
void end_piece(Piece& piece, const Status& status);

}  // namespace ossmc
