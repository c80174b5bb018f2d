// ReadPattern: whether the reads of an object follow each other, as far as it shows in those that
// find nothing in memory. Pure.
#pragma once

#include <cstdint>

namespace ossmc {

// What a read is to do that finds nothing.
struct ColdRead {
  enum class Way : std::uint8_t {
    kExact,   // receive what it asks for
    kWindow,  // receive more, as much as was read in a row
    kChunks,  // claim chunks
  };
  Way way = Way::kExact;
  std::uint64_t window_bytes = 0;
  bool reads_ahead = false;  // what lies behind it is to be read ahead
  bool follows = false;      // the read before
};

// Guarded by the scheduler's mutex, as a part of ObjectStream::plan. Offsets are of the object.
class ReadPattern {
 public:
  // A window is at least so large, and at most; with so much read in a row, or a chunk of it,
  // chunks are claimed.
  static constexpr std::uint64_t kLeastWindowBytes = 32u << 10;
  static constexpr std::uint64_t kMostWindowBytes = 1u << 20;
  // A read that leaves out so much still follows.
  static constexpr std::uint64_t kSkipBytes = 32u << 10;
  // So many jumps without a read that follows, and reads jump.
  static constexpr std::uint32_t kJumps = 3;

  // A read of [begin, end) does not find all of it.
  ColdRead on_cold_read(std::uint64_t begin, std::uint64_t end, std::uint32_t chunk_bytes);
  // What was received for it, if that is more.
  void on_window(std::uint64_t end);
  // A read went through chunk memory to the end of a chunk, [begin, end). True: it follows the one
  // before.
  bool on_chunk_read(std::uint64_t begin, std::uint64_t end);

  // Other reads of the object follow each other, or this one goes where it is fetched anyhow.
  void forgive_jumps() { jumps_ = 0; }

  bool jumps() const { return jumps_ >= kJumps; }
  // How many chunks behind it are read ahead: twice as many with each that is read in a row.
  std::uint64_t ahead_chunks() const { return ahead_chunks_; }

 private:
  bool follows(std::uint64_t begin, std::uint64_t end) const {
    return has_read_ && begin <= row_end_ + kSkipBytes && end > row_end_;
  }

  std::uint64_t row_end_ = 0;    // of the bytes read in a row, or received for that
  std::uint64_t row_bytes_ = 0;  // how many these are
  std::uint32_t jumps_ = 0;
  std::uint64_t ahead_chunks_ = 1;
  bool has_read_ = false;
};

}  // namespace ossmc
