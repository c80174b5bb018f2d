// Verification: whether the bytes of one object have been judged by the CRC-64 of the whole.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"
#include "base/wait.h"

namespace ossmc {

// Owned by its ObjectStream. Thread-safe but where said.
class Verification {
 public:
  enum class Verdict : std::uint32_t { kPending, kGood, kBad, kNothingToCheck };

  // The CRC-64 of the whole.
  enum class Expected : std::uint8_t {
    kKnown,
    kNone,    // nobody tells it, or nobody wants to know
    kNotYet,  // the first good reply tells it, or that there is none: learn()
  };

  // Before the stream is open.
  void begin(std::uint64_t chunks, Expected expected);
  // By the scheduler, under its mutex, before the first byte is there: the first good reply has, or
  // has not, told the CRC-64. No-op but after kNotYet, and the second time.
  void learn(bool is_told);

  // Sequentially consistent with what ObjectReader notes of the bytes that left it.
  Verdict verdict() const { return static_cast<Verdict>(verdict_.load()); }
  bool is_pending() const { return verdict() == Verdict::kPending; }
  void wait(Duration limit) const;
  void wake() const { futex_wake_all(verdict_); }  // a system call: under no lock

  // A reader handed out the last missing byte of a chunk.
  void note_chunk_handed_out() { not_handed_out_.fetch_sub(1, std::memory_order_acq_rel); }
  // Whoever has bytes in hand that he has noted so, and sees true, waits for the verdict.
  bool is_needed() const {
    return verdict() == Verdict::kBad ||
           (is_pending() && not_handed_out_.load(std::memory_order_acquire) == 0);
  }

  // Bytes have left that are not compared with those that are judged.
  void note_unchecked() { has_unchecked_.store(true, std::memory_order_relaxed); }
  bool has_unchecked() const { return has_unchecked_.load(std::memory_order_relaxed); }

  // By the scheduler, under its mutex: a chunk's CRC became known for the first time. True: the
  // last one; pass() is then to be called, under no lock. What was not told by then is nothing to
  // check.
  bool note_crc_known();
  void pass(bool is_good);

 private:
  std::atomic<std::uint32_t> verdict_{0};
  std::atomic<std::uint64_t> not_handed_out_{0};
  std::atomic<bool> has_unchecked_{false};
  // The scheduler's mutex.
  std::uint64_t crc_missing_ = 0;
  bool is_expected_known_ = true;
};

}  // namespace ossmc
