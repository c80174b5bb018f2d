// Chunk: a fixed slice of an object and the hand-over of its bytes from one writer to many readers.
//
// The writer is the I/O thread that runs the chunk's fetch; readers are any threads. They meet in
// one atomic word that holds the phase, how many readers have the chunk pinned, and how many bytes
// are there:
//
//   kAbsent --begin_fill--> kFilling --append...finish--> kReady --try_take_block--> kAbsent
//                              |                          ^    |
//                              |                finish_move    try_begin_move
//                              |                          |    v
//                              |                          kMoving
//                              +---------fail---------> kFailed --try_take_block--> kAbsent
//
// Invariants:
//  1. The buffer pointer changes only in kAbsent and kMoving; nobody can be pinned then.
//  2. A pin is given only in kFilling and kReady, and only for bytes already published; while it is
//     held the buffer stays.
//  3. Published bytes never change (a resumed fetch appends).
//  4. Transitions other than publish/pin/unpin are made by one caller at a time (the prefetch
//     floor's lock, or the writer while kFilling).
//
// Blocked readers store the byte they need and sleep on a futex word; the writer wakes them when it
// is there, or when the chunk ends otherwise, not at each publish.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "memory/budget.h"
#include "memory/byte_sink.h"
#include "memory/page_pool.h"

namespace ossmc {

enum class ChunkPhase : std::uint8_t {
  kAbsent,
  kFilling,
  kRefilling,  // as kFilling, but nobody gets the bytes before finish()
  kReady,
  kFailed,
  kMoving,
};

class Chunk final : public ByteSink {
 public:
  struct View {
    ChunkPhase phase;
    std::uint32_t filled;
    std::uint32_t pins;
  };

  View view() const;  // acquire: bytes up to `filled` are visible to the caller
  std::uint32_t length() const override { return length_.load(std::memory_order_relaxed); }
  // Of the budget, as of its last fill: at least length(), or 0 in memory that another object owns.
  std::uint32_t ticket_bytes() const { return ticket_bytes_.load(std::memory_order_relaxed); }

  // --- readers ---

  // True: pinned, and bytes [0, end) may be read through data() until unpin(). False: they are not
  // there, or (rarely) too many pinned at the same time: look at view() and try again.
  // REQUIRES: end > 0.
  bool try_pin(std::uint32_t end);
  void unpin();
  const std::byte* data() const { return data_; }  // REQUIRES: pinned, or the caller is the writer
  // Sleeps until bytes [0, end) are there, the phase is kReady or kFailed, notify() is called, or
  // `limit` passed. In kAbsent (queued) and kMoving it sleeps too. Spurious returns are allowed:
  // look at view() again.
  void wait(std::uint32_t end, Duration limit) { wait(end, limit, wait_token()); }
  // For who looks at more than the chunk before he waits: a wake-up that came after the token was
  // taken ends the wait at once.
  std::uint32_t wait_token() const { return futex_.load(std::memory_order_acquire); }
  void wait(std::uint32_t end, Duration limit, std::uint32_t token);
  // Wakes all waiters to look again (closed, re-queued).
  void notify();
  // Records that [begin, end) were handed to a caller. The record is the hull of all such ranges:
  // never too small. Returns true if this call made it cover the whole chunk.
  bool mark_handed_out(std::uint32_t begin, std::uint32_t end);
  bool handed_out_whole() const;
  // As it will be when it is filled, for who hands out bytes of it that came elsewhere.
  void set_length(std::uint32_t length) { length_.store(length, std::memory_order_relaxed); }

  // --- writer and prefetch floor ---

  // kAbsent -> kFilling (or kRefilling, which is not told apart below) with nothing there yet.
  // `block` holds at least `length` bytes. `ticket` may be empty (a region's). `hidden`:
  // kRefilling, for bytes that have to be compared with those that were here before.
  void begin_fill(Block block, Ticket ticket, std::uint32_t length, bool hidden = false);
  // The same into memory that another object owns and keeps (a ViewRegion).
  void begin_fill_at(std::byte* data, std::uint32_t length, bool hidden = false);
  // Before the first byte only: the length turned out shorter; a smaller block may replace the
  // first, and then the ticket shrinks to its size. Gives the first block back: under no lock.
  void shrink(Block smaller_or_empty, std::uint32_t length);
  std::uint32_t writer_filled() const override { return filled_by_writer_; }
  std::uint64_t writer_crc() const override { return running_crc_; }
  bool is_awaited() const override { return wanted_.load(std::memory_order_relaxed) != kNobody; }
  // Copies into place, publishes.
  void append(const std::byte* bytes, std::size_t size, bool with_crc) override;
  void restart() override;  // kRefilling only
  void finish();            // kFilling -> kReady; REQUIRES: writer_room() == 0
  // kFilling -> kFailed; bytes already there stay readable for those who hold a pin, no new pins.
  void fail();
  // The same for who holds a lock, under which nobody is woken (a system call). True: somebody
  // waits: call notify() when the lock is released.
  [[nodiscard]] bool finish_quietly();
  [[nodiscard]] bool fail_quietly();
  // kReady or kFailed with no pins -> kAbsent; the memory is handed to the caller. False: pinned,
  // or another phase.
  bool try_take_block(Block* block, Ticket* ticket);
  // kReady with no pins -> kMoving, its memory in the caller's hands (an empty block if another
  // object owned it). The caller brings the bytes to `data`, which another object owns and keeps (a
  // ViewRegion); finish_move makes it kReady there.
  bool try_begin_move(Block* block, Ticket* ticket);
  void finish_move(std::byte* data);

 private:
  static constexpr std::uint32_t kNobody = UINT32_MAX;

  bool take_wanted(std::uint32_t filled);
  void start_fill(std::byte* data, std::uint32_t length, bool hidden);

  std::atomic<std::uint64_t> word_{0};          // bits 0-31 filled, 32-55 pins, 56-63 phase
  std::atomic<std::uint32_t> wanted_{kNobody};  // smallest `end` a waiter needs
  std::atomic<std::uint32_t> futex_{0};         // bumped to wake
  std::atomic<std::uint64_t> handed_out_{0};    // hull: low half begin, high half end
  std::atomic<std::uint32_t> length_{0};
  std::atomic<std::uint32_t> ticket_bytes_{0};
  // Writer only while kFilling; else under the prefetch floor's lock.
  std::uint32_t filled_by_writer_ = 0;
  std::uint64_t running_crc_ = 0;
  std::byte* data_ = nullptr;
  NewPages region_pages_;  // of its place in memory that another object owns
  Block block_;
  Ticket ticket_;
};

}  // namespace ossmc
