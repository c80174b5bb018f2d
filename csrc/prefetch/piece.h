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

namespace ossmc {

// What the pieces of one call have in common. Shared by the call and its pieces. Thread-safe.
struct PieceCall {
  const std::shared_ptr<LentMemory> memory = std::make_shared<LentMemory>();
  // How many pieces are not done; the call sleeps on it. Woken where so many are left or fewer, and
  // by each failure.
  std::atomic<std::uint32_t> missing{0};
  std::atomic<std::uint32_t> wake_at{0};
  std::atomic<bool> has_failed{false};
};

// Shared by its call, the scheduler and the fetch that fills it. Constant where nothing else is
// said.
struct Piece {
  // Bytes [begin, begin + length) of the chunk.
  Piece(std::shared_ptr<ObjectStream> stream_in, std::uint64_t index_in, std::uint32_t begin_in,
        std::uint32_t length_in, std::vector<SinkPart> parts, std::shared_ptr<PieceCall> call_in)
      : stream(std::move(stream_in)),
        index(index_in),
        begin(begin_in),
        call(std::move(call_in)),
        sink(length_in, std::move(parts), call->memory) {}

  std::uint32_t end() const { return begin + sink.length(); }
  bool is_whole() const { return begin == 0 && sink.length() == stream->chunk_length(index); }

  const std::shared_ptr<ObjectStream> stream;
  const std::uint64_t index;
  const std::uint32_t begin;
  const std::shared_ptr<PieceCall> call;
  RangeSink sink;
  // The end, once: `status` is written before `is_done` (release).
  std::atomic<bool> is_done{false};
  Status status;
  // The scheduler's mutex: the call has ended, and cares no more.
  bool is_given_up = false;
};

// To be called once, by whoever ends it, under no lock.
void end_piece(Piece& piece, const Status& status);

}  // namespace ossmc
