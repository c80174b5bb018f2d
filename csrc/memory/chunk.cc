#include "memory/chunk.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/wait.h"
#include "memory/copy_with_crc64.h"
#include "memory/streaming_copy.h"

namespace ossmc {

namespace {

constexpr std::uint64_t kFilledMask = 0xFFFFFFFFu;
constexpr std::uint64_t kOnePin = std::uint64_t{1} << 32;
constexpr std::uint64_t kPinsMask = std::uint64_t{0xFFFFFF} << 32;
constexpr int kPhaseShift = 56;

// A pin that other threads' pins keep failing ends after this many tries; the caller looks again,
// as after any wait.
constexpr int kMaxPinTries = 1000;

constexpr std::uint64_t phase_bits(ChunkPhase phase) {
  return static_cast<std::uint64_t>(phase) << kPhaseShift;
}
constexpr ChunkPhase phase_of(std::uint64_t word) {
  return static_cast<ChunkPhase>(word >> kPhaseShift);
}
constexpr bool is_being_filled(std::uint64_t word) {
  return phase_of(word) == ChunkPhase::kFilling || phase_of(word) == ChunkPhase::kRefilling;
}
constexpr std::uint32_t filled_of(std::uint64_t word) {
  return static_cast<std::uint32_t>(word & kFilledMask);
}

// What to add to a word in phase `from` so that it is in phase `to` and all else stays: one
// read-modify-write that cannot fail, and modulo 2^64 it also goes down.
constexpr std::uint64_t phase_step(ChunkPhase from, ChunkPhase to) {
  return phase_bits(to) - phase_bits(from);
}

constexpr bool is_readable(std::uint64_t word, std::uint32_t end) {
  const ChunkPhase phase = phase_of(word);
  return (phase == ChunkPhase::kFilling || phase == ChunkPhase::kReady) && filled_of(word) >= end;
}

// Whether the wait for bytes [0, end) is over, be it in vain.
constexpr bool is_decided(std::uint64_t word, std::uint32_t end) {
  const ChunkPhase phase = phase_of(word);
  return phase == ChunkPhase::kReady || phase == ChunkPhase::kFailed || is_readable(word, end);
}

}  // namespace

// On memory orders. The word carries everything between threads:
//  - What the writer stored (bytes, data_) before it changes the word (release) is seen by
//    who reads the word after (acquire). In between others may change the word too, with
//    read-modify-writes, which keep up the release sequence.
//  - What a reader did with the bytes comes before its unpin (release) and so before the reuse of
//    the memory by whoever sees the word without pins (acquire).
// The word and wanted_ are a Dekker pair: a waiter writes wanted_, then looks at the word; the
// writer writes the word, then looks at wanted_. One of the two must see the other, which only
// sequential consistency of all four accesses gives.

Chunk::View Chunk::view() const {
  const std::uint64_t word = word_.load(std::memory_order_acquire);
  return {phase_of(word), filled_of(word),
          static_cast<std::uint32_t>((word & kPinsMask) / kOnePin)};
}

bool Chunk::try_pin(std::uint32_t end) {
  assert(end > 0);
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  for (int tries = 0; tries < kMaxPinTries; ++tries) {
    if (!is_readable(word, end) || (word & kPinsMask) == kPinsMask) return false;
    // Acquire: the bytes and data_. That the word may have gone around to the same value in between
    // does no harm, for all that was asked of it is in it. No order for a failure: nothing is read
    // then.
    if (word_.compare_exchange_weak(word, word + kOnePin, std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

void Chunk::unpin() {
  // Release: the reads of the bytes come before the memory's next use.
  [[maybe_unused]] const std::uint64_t before = word_.fetch_sub(kOnePin, std::memory_order_release);
  assert((before & kPinsMask) != 0);
}

void Chunk::wait(std::uint32_t end, Duration limit, std::uint32_t token) {
  // The token came first: whatever bumps the futex word since then ends the sleep below. Acquire,
  // with the release in notify(): who sees a bump also sees wanted_ as it was cleared for it, and
  // does not take an old entry for one that still counts.
  if (is_decided(word_.load(std::memory_order_acquire), end)) return;
  std::uint32_t wanted = wanted_.load(std::memory_order_seq_cst);
  // A smaller entry of another waiter does: it wakes all, and this one then enters its own.
  while (end < wanted && !wanted_.compare_exchange_weak(wanted, end, std::memory_order_seq_cst)) {
  }
  // The waiter's half of the Dekker pair.
  if (is_decided(word_.load(std::memory_order_seq_cst), end)) return;
  futex_wait(futex_, token, limit);
}

void Chunk::notify() {
  futex_.fetch_add(1, std::memory_order_release);
  futex_wake_all(futex_);
}

// The other half: whether somebody waits for what is there now, and so is to be notified. REQUIRES:
// the word was changed before, by a seq_cst operation.
bool Chunk::take_wanted(std::uint32_t filled) {
  const std::uint32_t wanted = wanted_.load(std::memory_order_seq_cst);
  if (wanted == kNobody || wanted > filled) return false;  // `filled` = kNobody: whatever they want
  // Cleared before the bump: who enters itself after this and has not seen the bump finds it when
  // going to sleep.
  wanted_.exchange(kNobody, std::memory_order_seq_cst);
  return true;
}

bool Chunk::mark_handed_out(std::uint32_t begin, std::uint32_t end) {
  const std::uint32_t length = this->length();
  end = std::min(end, length);
  if (begin >= end) return false;
  // Relaxed: a note for the eviction's choice. What keeps the bytes from going away is the pin.
  std::uint64_t hull = handed_out_.load(std::memory_order_relaxed);
  std::uint64_t joined = 0;
  do {
    const auto old_begin = static_cast<std::uint32_t>(hull);
    const auto old_end = static_cast<std::uint32_t>(hull >> 32);
    const std::uint32_t new_begin = old_end == 0 ? begin : std::min(begin, old_begin);
    joined = (std::uint64_t{std::max(end, old_end)} << 32) | new_begin;
    if (joined == hull) return false;
  } while (!handed_out_.compare_exchange_weak(hull, joined, std::memory_order_relaxed));
  return joined == std::uint64_t{length} << 32;
}

bool Chunk::handed_out_whole() const {
  const std::uint64_t hull = handed_out_.load(std::memory_order_relaxed);
  // A chunk that was never filled has no length: of it nothing was handed out.
  return hull != 0 && hull == std::uint64_t{length()} << 32;
}

void Chunk::begin_fill(Block block, Ticket ticket, std::uint32_t length, bool hidden) {
  assert(block.size() >= length);
  block_ = std::move(block);
  ticket_ = std::move(ticket);
  start_fill(block_.data(), length, hidden);
}

void Chunk::begin_fill_at(std::byte* data, std::uint32_t length, bool hidden) {
  region_pages_ = NewPages(data, length);
  start_fill(data, length, hidden);
}

void Chunk::start_fill(std::byte* data, std::uint32_t length, bool hidden) {
  assert(view().phase == ChunkPhase::kAbsent && view().pins == 0);
  data_ = data;
  filled_by_writer_ = 0;
  running_crc_ = 0;
  length_.store(length, std::memory_order_relaxed);
  ticket_bytes_.store(static_cast<std::uint32_t>(ticket_.bytes()), std::memory_order_relaxed);
  // Release: data_ and length_ before the phase that allows pins. A plain store, since nobody
  // changes the word in kAbsent. wanted_ stays: who waits for a queued chunk waits on.
  word_.store(phase_bits(hidden ? ChunkPhase::kRefilling : ChunkPhase::kFilling),
              std::memory_order_release);
}

void Chunk::shrink(Block smaller_or_empty, std::uint32_t length) {
  assert(is_being_filled(word_.load(std::memory_order_relaxed)) && filled_by_writer_ == 0 &&
         length <= this->length());
  // Nobody is pinned: there is no byte that a pin could be for.
  if (smaller_or_empty) {
    assert(smaller_or_empty.size() >= length);
    block_ = std::move(smaller_or_empty);
    data_ = block_.data();
    if (ticket_.bytes() > block_.size()) ticket_.shrink_to(block_.size());
    ticket_bytes_.store(static_cast<std::uint32_t>(ticket_.bytes()), std::memory_order_relaxed);
  }
  length_.store(length, std::memory_order_relaxed);
}

void Chunk::append(const std::byte* bytes, std::size_t size, bool with_crc) {
  assert(size <= writer_room());
  if (size == 0) return;
  if (block_) {
    block_.prepare(filled_by_writer_ + size);
  } else {
    region_pages_.prepare(filled_by_writer_ + size);
  }
  std::byte* const to = data_ + filled_by_writer_;
  // A region's memory is new: the kernel has just cleared it, in the caches.
  const Stores stores = block_ ? Stores::kStreaming : Stores::kOrdinary;
  if (with_crc) {
    running_crc_ = copy_with_crc64(to, bytes, size, running_crc_, stores);
  } else {
    copy_bytes(to, bytes, size, stores);
  }
  if (block_) finish_streaming_copies();
  filled_by_writer_ += static_cast<std::uint32_t>(size);
  // Publishes: release for the bytes, seq_cst for the Dekker pair (the same instruction on x86-64).
  // The sum stays within the word's low half, since it ends at length.
  const std::uint64_t before = word_.fetch_add(size, std::memory_order_seq_cst);
  if (phase_of(before) == ChunkPhase::kFilling && take_wanted(filled_by_writer_)) notify();
}

void Chunk::restart() {
  assert(view().phase == ChunkPhase::kRefilling);
  // Nobody reads what is hidden: only the count of bytes goes back.
  word_.fetch_sub(filled_by_writer_, std::memory_order_relaxed);
  filled_by_writer_ = 0;
  running_crc_ = 0;
}

void Chunk::finish() {
  if (finish_quietly()) notify();
}

bool Chunk::finish_quietly() {
  // Nobody but the writer ends this phase.
  const std::uint64_t word = word_.load(std::memory_order_relaxed);
  assert(is_being_filled(word) && writer_room() == 0);
  word_.fetch_add(phase_step(phase_of(word), ChunkPhase::kReady), std::memory_order_seq_cst);
  return take_wanted(kNobody);  // every wait is decided
}

void Chunk::fail() {
  if (fail_quietly()) notify();
}

bool Chunk::fail_quietly() {
  const std::uint64_t word = word_.load(std::memory_order_relaxed);
  assert(is_being_filled(word));
  word_.fetch_add(phase_step(phase_of(word), ChunkPhase::kFailed), std::memory_order_seq_cst);
  return take_wanted(kNobody);
}

bool Chunk::try_take_block(Block* block, Ticket* ticket) {
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  const ChunkPhase phase = phase_of(word);
  if ((phase != ChunkPhase::kReady && phase != ChunkPhase::kFailed) || (word & kPinsMask) != 0)
    return false;
  // Acquire: what the last readers did comes before what happens to the memory now. One try: it
  // fails only because a reader came, and then there is a pin.
  if (!word_.compare_exchange_strong(word, phase_bits(ChunkPhase::kAbsent),
                                     std::memory_order_acquire, std::memory_order_relaxed)) {
    return false;
  }
  *block = std::move(block_);
  *ticket = std::move(ticket_);
  data_ = nullptr;
  filled_by_writer_ = 0;
  return true;
}

bool Chunk::try_begin_move(Block* block, Ticket* ticket) {
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  if (phase_of(word) != ChunkPhase::kReady || (word & kPinsMask) != 0) return false;
  const std::uint64_t moving = word + phase_step(ChunkPhase::kReady, ChunkPhase::kMoving);
  // Acquire: the bytes, which the mover reads, and the end of the last reader's reads.
  if (!word_.compare_exchange_strong(word, moving, std::memory_order_acquire,
                                     std::memory_order_relaxed)) {
    return false;
  }
  *block = std::move(block_);
  *ticket = std::move(ticket_);
  return true;
}

void Chunk::finish_move(std::byte* data) {
  assert(view().phase == ChunkPhase::kMoving);
  data_ = data;
  word_.fetch_add(phase_step(ChunkPhase::kMoving, ChunkPhase::kReady), std::memory_order_seq_cst);
  if (take_wanted(kNobody)) notify();
}

}  // namespace ossmc
