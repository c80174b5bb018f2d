// ByteSink: where the bytes of one range of an object go, in order, whatever the number of requests
// that bring them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ossmc {

// The writer's side alone: by one I/O thread at a time, save where said. A chunk, or memory that a
// caller lends (memory/range_sink.h).
class ByteSink {
 public:
  ByteSink() = default;
  virtual ~ByteSink() = default;
  ByteSink(const ByteSink&) = delete;
  ByteSink& operator=(const ByteSink&) = delete;

  virtual std::uint32_t length() const = 0;  // of the range; any thread
  virtual std::uint32_t writer_filled() const = 0;
  std::uint32_t writer_room() const { return length() - writer_filled(); }
  // Of the bytes filled so far. REQUIRES: every append() of this fill with_crc.
  virtual std::uint64_t writer_crc() const = 0;
  // Takes the next bytes, and their CRC if `with_crc`. REQUIRES: size <= writer_room().
  virtual void append(const std::byte* bytes, std::size_t size, bool with_crc) = 0;
  // Forgets all bytes of this fill; it starts anew. REQUIRES: nobody has seen them.
  virtual void restart() = 0;
  // Somebody waits for bytes that are not there yet (may be late). Any thread.
  virtual bool is_awaited() const = 0;
};

}  // namespace ossmc
