#include "prefetch/stream_reader.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace ossmc {

namespace {

Status closed_status() { return Status(StatusCode::kClosed, "I/O operation on closed file."); }

// Chunks of one read that are asked for at once, beyond the one it waits for: as many as can be in
// flight, but no more than a quarter of the budget, which several reads may share.
std::uint64_t chunks_at_once(const Scheduler& scheduler, const ObjectStream& stream) {
  return std::max<std::uint64_t>(1, scheduler.budget()->limit_bytes() / 4 / stream.chunk_bytes());
}

// The claims of one read, which goes through some chunks in some order. Released in the destructor,
// whatever the outcome.
//
// Claims are made in the order of waiting, and none is held while one that comes earlier in it has
// not been made: so what a read holds is never older in the scheduler's queue than what it waits
// for (docs/decisions/0002-scheduling.md).
class Claims {
 public:
  Claims(Scheduler& scheduler, ObjectStream& stream) : scheduler_(scheduler), stream_(stream) {}
  ~Claims() { release_before(SIZE_MAX); }
  Claims(const Claims&) = delete;
  Claims& operator=(const Claims&) = delete;

  // The read is at place `at` of its order and waits for that chunk. `chunk_at` tells the chunk at
  // a place; places up to `end` are claimed ahead where they have to be fetched.
  template <typename ChunkAt>
  void wait_for(std::size_t at, std::size_t end, const ChunkAt& chunk_at) {
    release_before(at);
    if (first_ == held_.size() || held_[first_].place != at) {
      release_before(SIZE_MAX);
      scheduler_.claim(stream_, chunk_at(at));
      held_.push_back({at, chunk_at(at)});
      next_ = at + 1;
    }
    for (; next_ < end; ++next_) {
      if (scheduler_.try_claim_ahead(stream_, chunk_at(next_)))
        held_.push_back({next_, chunk_at(next_)});
    }
  }
  void release_before(std::size_t place) {
    for (; first_ < held_.size() && held_[first_].place < place; ++first_)
      scheduler_.release_claim(stream_, held_[first_].chunk);
    if (first_ == held_.size()) {
      held_.clear();
      first_ = 0;
    }
  }

 private:
  struct Held {
    std::size_t place;
    std::uint64_t chunk;
  };
  Scheduler& scheduler_;
  ObjectStream& stream_;
  std::vector<Held> held_;  // those before first_ are released; allocates when a read has to wait
  std::size_t first_ = 0;
  std::size_t next_ = 0;
};

// Copies one range. `begin_place` is the place of its first chunk in the order of the whole read,
// `order_end` of the last.
template <typename ChunkAt>
Status copy_range(Scheduler& scheduler, ObjectStream& stream, std::uint64_t offset, std::byte* out,
                  std::size_t size, const ReadOptions& options, Interrupt& interrupt,
                  Claims& claims, std::size_t begin_place, std::size_t order_end,
                  std::size_t at_once, const ChunkAt& chunk_at, bool* waited,
                  bool* object_handed_out) {
  const std::uint64_t end = offset + size;
  const std::uint64_t first = offset / stream.chunk_bytes();
  const std::uint64_t last = (end - 1) / stream.chunk_bytes();
  for (std::uint64_t index = first; index <= last; ++index) {
    const std::size_t place = begin_place + static_cast<std::size_t>(index - first);
    Chunk& chunk = stream.slot(index).chunk;
    const std::uint64_t begin = stream.chunk_begin(index);
    const auto piece_begin = static_cast<std::uint32_t>(std::max(offset, begin) - begin);
    const auto piece_end = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(end - begin, stream.chunk_length(index)));
    while (!chunk.try_pin(piece_end)) {
      *waited = true;
      claims.wait_for(place, std::min(order_end, place + at_once), chunk_at);
      if (options.sequential) scheduler.note_read(stream, index, false);
      const Status status = wait_for_chunk(scheduler, stream, index, piece_end, options, interrupt);
      if (!status.is_ok()) return status;
    }
    std::memcpy(out, chunk.data() + piece_begin, piece_end - piece_begin);
    chunk.unpin();
    out += piece_end - piece_begin;
    const bool consumed = chunk.mark_handed_out(piece_begin, piece_end);
    if (consumed && stream.note_chunk_handed_out()) *object_handed_out = true;
    claims.release_before(place + 1);
    // Only at a chunk's end does the scheduler need to know: small reads take no lock.
    if (piece_end == stream.chunk_length(index) || consumed) {
      if (options.sequential || consumed)
        scheduler.note_read(stream, index, consumed || chunk.handed_out_whole());
    }
  }
  return Status::ok();
}

// After the last byte was copied.
Status finish_read(Scheduler& scheduler, ObjectStream& stream, std::uint64_t size, bool waited,
                   bool object_handed_out, const ReadOptions& options, Interrupt& interrupt) {
  Counters& counters = scheduler.context().counters;
  add(waited ? counters.prefetch_misses : counters.prefetch_hits);
  add(counters.bytes_read, size);
  // Whoever gets the last missing byte waits for the verdict on all; once it is bad, nobody gets
  // anything.
  if (object_handed_out || stream.verdict() == ObjectStream::Verdict::kBad) {
    if (stream.verdict() != ObjectStream::Verdict::kNothingToCheck)
      return wait_for_verdict(scheduler, stream, options, interrupt);
  }
  return Status::ok();
}

}  // namespace

Status wait_for_chunk(Scheduler& scheduler, ObjectStream& stream, std::uint64_t index,
                      std::uint32_t needed_end, const ReadOptions& options, Interrupt& interrupt) {
  const Clock& clock = scheduler.context().clock;
  Chunk& chunk = stream.slot(index).chunk;
  std::uint32_t filled = 0;
  TimePoint deadline = clock.now() + options.progress_limit;
  while (true) {
    if (stream.is_closed()) return closed_status();
    const Chunk::View view = chunk.view();
    if ((view.phase == ChunkPhase::kFilling || view.phase == ChunkPhase::kReady) &&
        view.filled >= needed_end)
      return Status::ok();
    if (view.phase == ChunkPhase::kFailed) return scheduler.failure_of(stream, index);
    if (view.phase == ChunkPhase::kAbsent && scheduler.has_failed(stream, index))
      return scheduler.failure_of(stream, index);
    const TimePoint now = clock.now();
    if (view.filled != filled) {
      filled = view.filled;
      deadline = now + options.progress_limit;
    }
    if (now >= deadline) {
      ErrorDetail detail;
      detail.uri = stream.name().uri();
      return Status(StatusCode::kTransferTimeout,
                    "read of " + printable(detail.uri) + " got no new byte for " +
                        std::to_string(
                            std::chrono::duration_cast<std::chrono::seconds>(options.progress_limit)
                                .count()) +
                        " s (timeout.readSeconds); chunk " + std::to_string(index) + " has " +
                        std::to_string(filled) + " of " +
                        std::to_string(stream.chunk_length(index)) + " bytes",
                    detail);
    }
    if (interrupt.pending()) return Status(StatusCode::kInterrupted, "interrupted");
    chunk.wait(needed_end, std::min<Duration>(kWaitSlice, deadline - now));
  }
}

Status wait_for_verdict(Scheduler& scheduler, ObjectStream& stream, const ReadOptions& options,
                        Interrupt& interrupt) {
  // Nearly always every chunk is there already; one may still be arriving, or was given up before
  // it was complete.
  for (std::uint64_t index = 0;
       index < stream.chunk_count() && stream.verdict() == ObjectStream::Verdict::kPending;
       ++index) {
    if (scheduler.was_fetched(stream, index)) continue;
    Claims claims(scheduler, stream);
    claims.wait_for(0, 1, [&](std::size_t) { return index; });
    const Status status =
        wait_for_chunk(scheduler, stream, index, stream.chunk_length(index), options, interrupt);
    if (!status.is_ok()) return status;
  }
  const Clock& clock = scheduler.context().clock;
  const TimePoint deadline = clock.now() + options.progress_limit;
  while (stream.verdict() == ObjectStream::Verdict::kPending) {
    if (stream.is_closed()) return closed_status();
    if (interrupt.pending()) return Status(StatusCode::kInterrupted, "interrupted");
    if (clock.now() >= deadline)
      return Status(StatusCode::kTransferTimeout,
                    "the object's CRC-64 could not be judged in time");
    stream.wait_for_verdict(kWaitSlice);
  }
  if (stream.verdict() != ObjectStream::Verdict::kBad) return Status::ok();
  ErrorDetail detail;
  detail.uri = stream.name().uri();
  return Status(StatusCode::kChecksum,
                "the bytes of " + printable(detail.uri) + " do not match the object's CRC-64 (" +
                    std::to_string(*stream.version().crc64) + "): read it again",
                detail);
}

Status read_stream(Scheduler& scheduler, ObjectStream& stream, std::uint64_t offset, std::byte* out,
                   std::size_t size, const ReadOptions& options, Interrupt& interrupt) {
  if (size == 0) return Status::ok();
  const std::uint64_t first = offset / stream.chunk_bytes();
  const std::uint64_t last = (offset + size - 1) / stream.chunk_bytes();
  Claims claims(scheduler, stream);
  bool waited = false;
  bool object_handed_out = false;
  Status status = copy_range(
      scheduler, stream, offset, out, size, options, interrupt, claims, 0,
      static_cast<std::size_t>(last - first + 1), chunks_at_once(scheduler, stream),
      [&](std::size_t place) { return first + place; }, &waited, &object_handed_out);
  if (!status.is_ok()) return status;
  return finish_read(scheduler, stream, size, waited, object_handed_out, options, interrupt);
}

Status read_stream_parts(Scheduler& scheduler, ObjectStream& stream,
                         std::span<const std::pair<std::uint64_t, std::span<std::byte>>> parts,
                         const ReadOptions& options, Interrupt& interrupt) {
  std::vector<std::uint64_t> order;
  for (const auto& [offset, out] : parts) {
    if (out.empty()) continue;
    for (std::uint64_t chunk = offset / stream.chunk_bytes();
         chunk <= (offset + out.size() - 1) / stream.chunk_bytes(); ++chunk) {
      order.push_back(chunk);
    }
  }
  Claims claims(scheduler, stream);
  bool waited = false;
  bool object_handed_out = false;
  std::size_t place = 0;
  std::uint64_t size = 0;
  for (const auto& [offset, out] : parts) {
    if (out.empty()) continue;
    const Status status = copy_range(
        scheduler, stream, offset, out.data(), out.size(), options, interrupt, claims, place,
        order.size(), order.size(), [&](std::size_t at) { return order[at]; }, &waited,
        &object_handed_out);
    if (!status.is_ok()) return status;
    place += static_cast<std::size_t>((offset + out.size() - 1) / stream.chunk_bytes() -
                                      offset / stream.chunk_bytes() + 1);
    size += out.size();
  }
  return finish_read(scheduler, stream, size, waited, object_handed_out, options, interrupt);
}

Result<std::uint64_t> find_byte(Scheduler& scheduler, ObjectStream& stream, std::uint64_t offset,
                                std::uint64_t limit, std::byte byte, const ReadOptions& options,
                                Interrupt& interrupt) {
  Claims claims(scheduler, stream);
  std::uint64_t found = 0;
  while (found < limit) {
    const std::uint64_t index = (offset + found) / stream.chunk_bytes();
    Chunk& chunk = stream.slot(index).chunk;
    const auto begin = static_cast<std::uint32_t>(offset + found - stream.chunk_begin(index));
    const std::uint32_t filled = chunk.view().filled;
    if (filled <= begin || !chunk.try_pin(filled)) {
      claims.wait_for(static_cast<std::size_t>(index), static_cast<std::size_t>(index) + 1,
                      [](std::size_t place) { return place; });
      const Status status = wait_for_chunk(scheduler, stream, index, begin + 1, options, interrupt);
      if (!status.is_ok()) return status;
      continue;
    }
    const std::uint64_t span = std::min<std::uint64_t>(filled - begin, limit - found);
    const void* const hit = std::memchr(chunk.data() + begin, std::to_integer<int>(byte), span);
    const std::uint64_t length =
        hit == nullptr ? span
                       : static_cast<std::uint64_t>(static_cast<const std::byte*>(hit) -
                                                    (chunk.data() + begin)) +
                             1;
    chunk.unpin();
    found += length;
    if (hit != nullptr) break;
  }
  return found;
}

}  // namespace ossmc
