#include "prefetch/stream_reader.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "memory/copy_out.h"
#include "prefetch/piece_read.h"

namespace ossmc {

namespace {

// So far a look for a line's end goes where nothing is in memory.
constexpr std::size_t kLookBytes = 8192;

// Chunks of one read that are asked for at once, beyond the one it waits for.
std::uint64_t chunks_at_once(const Scheduler& scheduler, const ObjectStream& stream) {
  return std::max<std::uint64_t>(1, scheduler.claimable_bytes() / stream.chunk_bytes());
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
  // a place; places up to `end` are claimed ahead where they have to be fetched. How many fetches
  // of the chunk at `at` had failed when it was claimed.
  template <typename ChunkAt>
  std::uint32_t wait_for(std::size_t at, std::size_t end, const ChunkAt& chunk_at) {
    release_before(at);
    if (first_ == held_.size() || held_[first_].place != at) {
      release_before(SIZE_MAX);
      bool in_piece = false;
      const std::uint32_t failures = scheduler_.claims().claim(stream_, chunk_at(at), &in_piece);
      held_.push_back({at, chunk_at(at), failures});
      next_ = at + 1;
      if (in_piece) return failures;
    }
    for (; next_ < end; ++next_) {
      std::uint32_t failures = 0;
      if (scheduler_.claims().try_claim_ahead(stream_, chunk_at(next_), &failures))
        held_.push_back({next_, chunk_at(next_), failures});
    }
    return held_[first_].failures;
  }
  void release_before(std::size_t place) {
    const std::size_t begin = first_;
    while (first_ < held_.size() && held_[first_].place < place) ++first_;
    if (first_ - begin == 1) {
      scheduler_.claims().release(stream_, held_[begin].chunk);
    } else if (first_ > begin) {
      std::vector<std::uint64_t> chunks;
      for (std::size_t i = begin; i < first_; ++i) chunks.push_back(held_[i].chunk);
      scheduler_.claims().release(stream_, chunks);
    }
    if (first_ == held_.size()) {
      held_.clear();
      first_ = 0;
    }
  }

 private:
  struct Held {
    std::size_t place;
    std::uint64_t chunk;
    std::uint32_t failures;
  };
  Scheduler& scheduler_;
  ObjectStream& stream_;
  std::vector<Held> held_;  // those before first_ are released; allocates when a read has to wait
  std::size_t first_ = 0;
  std::size_t next_ = 0;
};

// Notes that [begin, end) of the chunk were handed out.
void note_handed_out(Scheduler& scheduler, ObjectStream& stream, std::uint64_t index,
                     std::uint32_t begin, std::uint32_t end, bool sequential) {
  Chunk& chunk = stream.slot(index).chunk;
  const bool consumed = chunk.mark_handed_out(begin, end);
  if (consumed) stream.verification.note_chunk_handed_out();
  // Only at a chunk's end does the scheduler need to know: small reads take no lock.
  if (consumed || (sequential && end == stream.chunk_length(index)))
    scheduler.claims().note_read(stream, index, consumed || chunk.handed_out_whole(), sequential);
}

void count_read(Scheduler& scheduler, std::uint64_t size, bool waited) {
  Counters& counters = scheduler.context().counters;
  add(waited ? counters.prefetch_misses : counters.prefetch_hits);
  add(counters.bytes_read, size);
}

// One read on its way through the chunks of its parts. Used once, by one thread.
class Read {
 public:
  // `at_once`: chunks that may be asked for at the same time.
  Read(Scheduler& scheduler, ObjectStream& stream, std::span<const StreamPart> parts,
       std::size_t at_once, const ReadOptions& options, Interrupt& interrupt)
      : scheduler_(scheduler),
        stream_(stream),
        parts_(parts),
        at_once_(at_once),
        options_(options),
        interrupt_(interrupt),
        claims_(scheduler, stream) {}

  Status run() {
    std::uint64_t size = 0;
    for (const StreamPart& part : parts_) size += part.second.size();
    Status status = copy_all();
    if (!status.is_ok()) return status;
    // Who looks reads what he has found: that is counted.
    if (!options_.is_look) count_read(scheduler_, size, waited_);
    return judge();
  }

  // REQUIRES: no parts. Bytes [begin, end) of that chunk alone, where they lie.
  Result<PinnedBytes> pin(std::uint64_t index, std::uint32_t begin, std::uint32_t end) {
    chunks_.push_back(index);
    Chunk& chunk = stream_.slot(index).chunk;
    while (!chunk.try_pin(end)) {
      const Status status = wait(index, end);
      if (!status.is_ok()) return status;
    }
    PinnedBytes pinned(scheduler_, stream_.shared_from_this(), index,
                       {chunk.data() + begin, end - begin});
    note_handed_out(scheduler_, stream_, index, begin, end, options_.sequential);
    count_read(scheduler_, end - begin, waited_);
    const Status status = judge();
    if (!status.is_ok()) return status;
    return pinned;
  }

 private:
  // Whoever gets the last missing byte waits for the verdict on all; once it is bad, nobody gets
  // anything.
  Status judge() {
    if (!stream_.verification.is_needed()) return Status::ok();
    return wait_for_verdict(scheduler_, stream_, options_, interrupt_);
  }

  static auto copy_to(std::byte* to) {
    return [to](std::span<const std::byte> bytes) { copy_out(to, bytes.data(), bytes.size()); };
  }

  Status copy_all() {
    std::size_t done = 0;
    StreamPart part;
    for (; done < parts_.size(); ++done) {
      part = parts_[done];
      if (!copy_ready(&part)) break;
    }
    if (done == parts_.size()) return Status::ok();
    left_.push_back(part);
    left_.insert(left_.end(), parts_.begin() + static_cast<std::ptrdiff_t>(done) + 1, parts_.end());
    PieceRead pieces(scheduler_, options_, interrupt_);
    if (options_.pieces) left_ = pieces.start(stream_.shared_from_this(), left_);
    place_ = 0;
    for (const StreamPart& by_chunks : left_) {
      const Status status = copy(by_chunks);
      if (!status.is_ok()) return status;
    }
    const Status status = pieces.wait();
    waited_ = waited_ || pieces.has_waited();
    return status;
  }

  // As much as is there. False: not all of it; `part` is what is left.
  bool copy_ready(StreamPart* part) {
    while (!part->second.empty()) {
      const ChunkPart first = first_of(*part);
      if (!pass_ready(first, copy_to(part->second.data()))) return false;
      *part = {part->first + first.size(), part->second.subspan(first.size())};
    }
    return true;
  }

  Status copy(StreamPart part) {
    while (!part.second.empty()) {
      const ChunkPart first = first_of(part);
      const Status status = pass(first, copy_to(part.second.data()));
      if (!status.is_ok()) return status;
      part = {part.first + first.size(), part.second.subspan(first.size())};
    }
    return Status::ok();
  }

  // Bytes [begin, end) of a chunk.
  struct ChunkPart {
    std::uint64_t index = 0;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::uint32_t size() const { return end - begin; }
  };
  ChunkPart first_of(const StreamPart& part) const {
    ChunkPart first;
    first.index = part.first / stream_.chunk_bytes();
    first.begin = static_cast<std::uint32_t>(part.first - stream_.chunk_begin(first.index));
    first.end =
        first.begin + static_cast<std::uint32_t>(std::min<std::uint64_t>(
                          part.second.size(), stream_.chunk_length(first.index) - first.begin));
    return first;
  }

  // The chunk's part goes to `take`, pinned. False: it is not there.
  template <typename Take>
  bool pass_ready(const ChunkPart& part, const Take& take) {
    Chunk& chunk = stream_.slot(part.index).chunk;
    if (!chunk.try_pin(part.end)) return false;
    take(std::span<const std::byte>(chunk.data() + part.begin, part.size()));
    unpin(scheduler_, stream_, part.index);
    note_handed_out(scheduler_, stream_, part.index, part.begin, part.end, options_.sequential);
    return true;
  }

  // The same, once it is there.
  template <typename Take>
  Status pass(const ChunkPart& part, const Take& take) {
    while (!pass_ready(part, take)) {
      const Status status = wait(part.index, part.end);
      if (!status.is_ok()) return status;
    }
    claims_.release_before(++place_);
    return Status::ok();
  }

  Status wait(std::uint64_t index, std::uint32_t needed_end) {
    if (chunks_.empty()) list_chunks();
    waited_ = true;
    const std::uint32_t failures =
        claims_.wait_for(place_, std::min(chunks_.size(), place_ + at_once_),
                         [&](std::size_t place) { return chunks_[place]; });
    if (options_.sequential) scheduler_.claims().note_reached(stream_, index);
    return wait_for_chunk(scheduler_, stream_, index, failures, needed_end, options_, interrupt_);
  }

  void list_chunks() {
    for (const auto& [offset, out] : left_) {
      if (out.empty()) continue;
      const std::uint64_t last = (offset + out.size() - 1) / stream_.chunk_bytes();
      for (std::uint64_t index = offset / stream_.chunk_bytes(); index <= last; ++index)
        chunks_.push_back(index);
    }
  }

  Scheduler& scheduler_;
  ObjectStream& stream_;
  const std::span<const StreamPart> parts_;
  const std::size_t at_once_;
  const ReadOptions& options_;
  Interrupt& interrupt_;
  Claims claims_;
  std::vector<StreamPart> left_;  // what was not there, as far as it comes by chunks
  std::vector<std::uint64_t>
      chunks_;             // all of its chunks, in order; made when the read has to wait
  std::size_t place_ = 0;  // how many of them are done
  bool waited_ = false;
};

Status verdict_status(StatusCode code, const ObjectStream& stream, const std::string& what) {
  return stream.error(code, "the bytes of " + printable(stream.name().uri()) + " " + what);
}

}  // namespace

Status wait_for_chunk(Scheduler& scheduler, ObjectStream& stream, std::uint64_t index,
                      std::uint32_t failures, std::uint32_t needed_end, const ReadOptions& options,
                      Interrupt& interrupt) {
  const Clock& clock = scheduler.context().clock;
  Chunk& chunk = stream.slot(index).chunk;
  std::uint32_t filled = 0;
  TimePoint deadline = clock.now() + options.progress_limit;
  while (true) {
    const std::uint32_t token = chunk.wait_token();
    if (stream.is_closed()) return closed_status();
    const Chunk::View view = chunk.view();
    if ((view.phase == ChunkPhase::kFilling || view.phase == ChunkPhase::kReady) &&
        view.filled >= needed_end)
      return Status::ok();
    if (view.phase == ChunkPhase::kFailed || view.phase == ChunkPhase::kAbsent) {
      bool asked = false;
      Status failure = scheduler.claims().look_again(stream, index, failures, &asked);
      if (!failure.is_ok()) return failure;
      if (asked) continue;  // with a token of now
    }
    const TimePoint now = clock.now();
    if (view.filled != filled) {
      filled = view.filled;
      deadline = now + options.progress_limit;
    }
    if (now >= deadline) {
      const auto limit = std::chrono::duration_cast<std::chrono::seconds>(options.progress_limit);
      return stream.error(StatusCode::kTransferTimeout,
                          "read of " + printable(stream.name().uri()) + " got no new byte for " +
                              std::to_string(limit.count()) + " s (timeout.readSeconds); chunk " +
                              std::to_string(index) + " has " + std::to_string(filled) + " of " +
                              std::to_string(stream.chunk_length(index)) + " bytes");
    }
    if (interrupt.pending()) return Status(StatusCode::kInterrupted, "interrupted");
    chunk.wait(needed_end, std::min<Duration>(kWaitSlice, deadline - now), token);
  }
}

Status wait_for_verdict(Scheduler& scheduler, ObjectStream& stream, const ReadOptions& options,
                        Interrupt& interrupt) {
  // Nearly always every chunk is there already; one may still be arriving, or was given up before
  // it was complete.
  for (std::uint64_t index = 0;
       index < stream.chunk_count() && stream.verdict() == Verification::Verdict::kPending;
       ++index) {
    if (scheduler.claims().was_fetched(stream, index)) continue;
    Claims claims(scheduler, stream);
    const std::uint32_t failures = claims.wait_for(0, 1, [&](std::size_t) { return index; });
    Status status = wait_for_chunk(scheduler, stream, index, failures, stream.chunk_length(index),
                                   options, interrupt);
    // All of its bytes may be there and its fetch not have ended: that may still fail.
    while (status.is_ok() && stream.verdict() == Verification::Verdict::kPending) {
      const std::uint32_t epoch = scheduler.views().memory_signal().epoch();
      if (scheduler.claims().was_fetched(stream, index)) break;
      if (stream.is_closed()) return closed_status();
      status = scheduler.claims().failure_since(stream, index, failures);
      if (!status.is_ok()) break;
      if (interrupt.pending()) return Status(StatusCode::kInterrupted, "interrupted");
      scheduler.views().memory_signal().wait(epoch, kWaitSlice);
    }
    if (!status.is_ok()) return status;
  }
  const Clock& clock = scheduler.context().clock;
  const TimePoint deadline = clock.now() + options.progress_limit;
  while (stream.verdict() == Verification::Verdict::kPending) {
    if (stream.is_closed()) return closed_status();
    const TimePoint now = clock.now();  // before the interrupt, which may take its time
    if (interrupt.pending()) return Status(StatusCode::kInterrupted, "interrupted");
    if (now >= deadline)
      return verdict_status(StatusCode::kTransferTimeout, stream,
                            "could not be judged by their CRC-64 in time");
    stream.verification.wait(kWaitSlice);
  }
  if (stream.verdict() != Verification::Verdict::kBad) return Status::ok();
  return verdict_status(StatusCode::kChecksum, stream,
                        "do not match the object's CRC-64 (" +
                            std::to_string(stream.expected_crc64()) + "): read it again");
}

Status read_stream(Scheduler& scheduler, ObjectStream& stream, std::uint64_t offset, std::byte* out,
                   std::size_t size, const ReadOptions& options, Interrupt& interrupt) {
  if (size == 0) return Status::ok();
  const StreamPart part{offset, {out, size}};
  return Read(scheduler, stream, {&part, 1}, chunks_at_once(scheduler, stream), options, interrupt)
      .run();
}

Result<PinnedBytes> pin_stream_chunk(Scheduler& scheduler, ObjectStream& stream,
                                     std::uint64_t offset, const ReadOptions& options,
                                     Interrupt& interrupt) {
  const std::uint64_t index = offset / stream.chunk_bytes();
  const auto begin = static_cast<std::uint32_t>(offset - stream.chunk_begin(index));
  return Read(scheduler, stream, {}, 1, options, interrupt)
      .pin(index, begin, stream.chunk_length(index));
}

Status read_stream_parts(Scheduler& scheduler, ObjectStream& stream,
                         std::span<const StreamPart> parts, const ReadOptions& options,
                         Interrupt& interrupt) {
  // As many as there are: SIZE_MAX / 2 leaves room for the sum with a place.
  return Read(scheduler, stream, parts, SIZE_MAX / 2, options, interrupt).run();
}

bool read_stream_if_ready(Scheduler& scheduler, ObjectStream& stream, std::uint64_t offset,
                          std::span<std::byte> out) {
  if (out.empty() || stream.verdict() == Verification::Verdict::kBad) return false;
  const std::uint64_t index = offset / stream.chunk_bytes();
  const auto begin = static_cast<std::uint32_t>(offset - stream.chunk_begin(index));
  if (out.size() > stream.chunk_length(index) - begin) return false;
  const auto end = static_cast<std::uint32_t>(begin + out.size());
  Chunk& chunk = stream.slot(index).chunk;
  if (!chunk.try_pin(end)) return false;
  copy_out(out.data(), chunk.data() + begin, out.size());
  unpin(scheduler, stream, index);
  note_handed_out(scheduler, stream, index, begin, end, true);
  if (stream.verification.is_needed()) return false;  // a read that may wait gets the bytes again
  count_read(scheduler, out.size(), false);
  return true;
}

Result<std::uint64_t> find_byte(Scheduler& scheduler, ObjectStream& stream, std::uint64_t offset,
                                std::uint64_t limit, std::byte byte, const ReadOptions& options,
                                Interrupt& interrupt) {
  // How far `byte` is behind the begin of `bytes`, itself included; 0: it is not among them.
  const auto find_in = [&](std::span<const std::byte> bytes) -> std::uint64_t {
    const void* const hit = std::memchr(bytes.data(), std::to_integer<int>(byte), bytes.size());
    return hit == nullptr
               ? 0
               : static_cast<std::uint64_t>(static_cast<const std::byte*>(hit) - bytes.data()) + 1;
  };
  ReadOptions look = options;
  look.is_look = true;
  Claims claims(scheduler, stream);
  const std::uint64_t last_index = limit == 0 ? 0 : (offset + limit - 1) / stream.chunk_bytes();
  std::uint64_t found = 0;
  while (found < limit) {
    const std::uint64_t index = (offset + found) / stream.chunk_bytes();
    Chunk& chunk = stream.slot(index).chunk;
    const auto begin = static_cast<std::uint32_t>(offset + found - stream.chunk_begin(index));
    const std::uint32_t filled = chunk.view().filled;
    if (filled > begin && chunk.try_pin(filled)) {
      const std::uint64_t span = std::min<std::uint64_t>(filled - begin, limit - found);
      const std::uint64_t hit = find_in({chunk.data() + begin, static_cast<std::size_t>(span)});
      unpin(scheduler, stream, index);
      found += hit == 0 ? span : hit;
      if (hit != 0) break;
    } else if (const auto nearby = scheduler.pieces().nearby(stream, offset + found)) {
      const std::span<const std::byte> bytes = nearby->from(offset + found);
      const std::size_t span = std::min<std::uint64_t>(bytes.size(), limit - found);
      const std::uint64_t hit = find_in(bytes.first(span));
      found += hit == 0 ? span : hit;
      if (hit != 0) break;
    } else if (options.pieces && chunk.view().phase == ChunkPhase::kAbsent) {
      std::array<std::byte, kLookBytes> bytes;
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(
          {bytes.size(), limit - found, stream.chunk_length(index) - begin}));
      const Status status =
          read_stream(scheduler, stream, offset + found, bytes.data(), size, look, interrupt);
      if (!status.is_ok()) return status;
      const std::uint64_t hit = find_in({bytes.data(), size});
      found += hit == 0 ? size : hit;
      if (hit != 0) break;
    } else {
      // A line that goes on for chunks is read as any long read is.
      const std::uint64_t at_once =
          found < stream.chunk_bytes() ? 1 : chunks_at_once(scheduler, stream);
      const std::uint32_t failures =
          claims.wait_for(static_cast<std::size_t>(index),
                          static_cast<std::size_t>(std::min(last_index + 1, index + at_once)),
                          [](std::size_t place) { return place; });
      if (options.sequential) scheduler.claims().note_reached(stream, index);
      const Status status =
          wait_for_chunk(scheduler, stream, index, failures, begin + 1, options, interrupt);
      if (!status.is_ok()) return status;
    }
  }
  return found;
}

}  // namespace ossmc
