// RateLimit: how many bytes of bodies a connector's exchanges may receive in a second, and whose
// turn it is (docs/decisions/0019-rate-limit.md).
//
// A bucket of tokens, one a byte. An exchange takes a portion, receives as much, and asks again;
// where the bucket is empty it waits, and its thread does not take its bytes off the network. What
// somebody waits for goes first, but for every eighth portion. Within both classes readers take
// turns, and so do the exchanges of one reader.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"

namespace ossmc {

// Thread-safe. One a connector, shared by its I/O threads; owned by the engine, outlives them.
class RateLimit {
 public:
  static constexpr std::uint64_t kLeastBytesPerSecond = 64u << 10;
  // How often those who wait are looked at. What somebody waits for waits so long at most before
  // its turn comes.
  static constexpr Duration kTick = std::chrono::milliseconds(5);
  // What may be taken at once after a pause, in time: more would be felt beside us, less would be
  // lost whenever a thread is late, or a sender has met a closed window: where segments are nearly
  // as large as the window, as on loopback, it may look again only after 200 ms.
  static constexpr Duration kBurst = std::chrono::milliseconds(250);
  static constexpr int kOthersTurn = 8;

  // What one exchange has of it. Used by the exchange's own I/O thread; while it waits, by the
  // limit. It must have ended before it goes.
  class Share {
   public:
    Share() = default;
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // May be late.
    bool waits() const { return waits_.load(std::memory_order_acquire); }

   private:
    friend class RateLimit;
    std::int64_t allowance_ = 0;  // bytes; below 0: received already, and to be paid for
    const void* reader_ = nullptr;
    // Under the limit's mutex.
    bool is_awaited_ = false;
    bool has_place_ = false;          // for its next portion
    double place_ = 0;                // the smaller, the sooner; see RateLimit::clock_of_turns_
    std::uint64_t order_ = 0;         // among equals
    std::atomic<bool> waits_{false};  // release: the allowance is there
  };

  // REQUIRES: bytes_per_second >= kLeastBytesPerSecond.
  RateLimit(std::uint64_t bytes_per_second, const Clock& clock);

  std::uint64_t portion_bytes() const { return portion_bytes_; }

  // --- by the exchange's thread ---
  // An exchange for this reader, whoever that is, begins.
  void begin(Share& share, const void* reader);
  // Whether it may take what has come; false: not before it waits no longer. `is_awaited`: somebody
  // waits for it now.
  bool may_take(Share& share, bool is_awaited);
  // It has, with leave.
  void took(Share& share, std::uint64_t bytes) {
    share.allowance_ -= static_cast<std::int64_t>(bytes);
  }
  // It is over, also while it waits: what it has left is for others.
  void end(Share& share);

  // --- by a thread with exchanges that wait ---
  void set_awaited(Share& share, bool is_awaited);
  // Lets go on whoever may; of other threads too, which find out themselves.
  void give_out();
  // After how long that is worth another try; at least kTick.
  Duration wait() const;

  // Somebody had to wait not long ago: it is this what limits the transfer.
  bool is_limiting() const;

 private:
  std::int64_t to_bytes(Duration duration) const;
  void refill() OSSMC_REQUIRES(mutex_);
  void give_out_locked() OSSMC_REQUIRES(mutex_);
  void take_place(Share& share) OSSMC_REQUIRES(mutex_);
  Share* next() const OSSMC_REQUIRES(mutex_);
  static bool is_before(const Share& one, const Share& other, bool is_turn_of_others);
  void forget_readers() OSSMC_REQUIRES(mutex_);

  // Constant after construction.
  const std::uint64_t bytes_per_second_;
  const std::uint64_t portion_bytes_;
  // Of one exchange between two looks: one that has its turn alone shall not wait for the next look
  // after each portion, and one that is slow shall not keep what others could take.
  const std::int64_t most_at_once_;
  const Clock& clock_;

  mutable Mutex mutex_;
  std::int64_t tokens_ OSSMC_GUARDED_BY(mutex_) = 0;  // below 0: given out ahead
  TimePoint refilled_at_ OSSMC_GUARDED_BY(mutex_);
  std::vector<Share*> waiting_ OSSMC_GUARDED_BY(mutex_);
  // Start-time fair queuing: the place of the portion that was given out last, and the place of
  // each reader's next one, if that lies ahead.
  double clock_of_turns_ OSSMC_GUARDED_BY(mutex_) = 0;
  std::unordered_map<const void*, double> next_places_ OSSMC_GUARDED_BY(mutex_);
  std::uint64_t orders_ OSSMC_GUARDED_BY(mutex_) = 0;
  int awaited_in_a_row_ OSSMC_GUARDED_BY(mutex_) = 0;
  TimePoint limited_at_ OSSMC_GUARDED_BY(mutex_);  // when somebody had to wait, the last time
};

}  // namespace ossmc
