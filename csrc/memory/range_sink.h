// RangeSink: a range of an object that is received in memory that a caller lends: some of its bytes
// in one place, some in another, some dropped.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "memory/byte_sink.h"
#include "memory/lent_memory.h"

namespace ossmc {

// Bytes [begin, end) of the range go to `to`.
struct SinkPart {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::byte* to = nullptr;
};

// Written by one I/O thread at a time. Holds no memory of bytes itself.
class RangeSink final : public ByteSink {
 public:
  // `parts` in the order of `begin`; they may overlap. Bytes of none are dropped. All lie in
  // `memory`, which is lent for as long as anything is written.
  RangeSink(std::uint32_t length, std::vector<SinkPart> parts, std::shared_ptr<LentMemory> memory);
  // How long the range is and where it goes was not known when it was asked for. REQUIRES: nothing
  // was appended yet; others who look see it by an order of their own.
  void set_target(std::uint32_t length, std::byte* to);

  std::uint32_t length() const override { return length_; }
  std::uint32_t writer_filled() const override { return filled(); }
  // Any thread: how far it is.
  std::uint32_t filled() const { return filled_.load(std::memory_order_relaxed); }
  std::uint64_t writer_crc() const override { return crc_; }
  void append(const std::byte* bytes, std::size_t size, bool with_crc) override;
  void restart() override;
  bool is_awaited() const override { return true; }

 private:
  void copy_parts(const std::byte* bytes, std::uint32_t begin, std::uint32_t end);

  // Constant but for set_target().
  std::uint32_t length_;
  std::vector<SinkPart> parts_;
  const std::shared_ptr<LentMemory> memory_;
  std::atomic<std::uint32_t> filled_{0};  // relaxed: others look at it as a figure
  std::uint64_t crc_ = 0;
  std::size_t first_part_ = 0;  // those before it are full
};

}  // namespace ossmc
