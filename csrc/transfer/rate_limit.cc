#include "transfer/rate_limit.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace ossmc {

namespace {

// Each costs a lock, and where there is a crowd a pause of the transfer; what is given out and not
// taken yet is missing elsewhere.
constexpr std::uint64_t kPortionsPerSecond = 2000;
constexpr std::uint64_t kLeastPortion = 16u << 10;  // as libcurl hands it over
constexpr std::uint64_t kMostPortion = 256u << 10;

constexpr std::size_t kMostReaders = 512;

constexpr Duration kNotLongAgo = std::chrono::milliseconds(200);

}  // namespace

RateLimit::RateLimit(std::uint64_t bytes_per_second, const Clock& clock)
    : bytes_per_second_(bytes_per_second),
      portion_bytes_(
          std::clamp(bytes_per_second / kPortionsPerSecond, kLeastPortion, kMostPortion)),
      most_at_once_(std::max(static_cast<std::int64_t>(portion_bytes_), to_bytes(kTick))),
      clock_(clock),
      refilled_at_(clock.now()),
      limited_at_(clock.now() - 2 * kNotLongAgo) {
  assert(bytes_per_second >= kLeastBytesPerSecond);
}

void RateLimit::begin(Share& share, const void* reader) {
  assert(!share.waits());
  share.allowance_ = 0;
  share.reader_ = reader;
  share.has_place_ = false;
}

bool RateLimit::may_take(Share& share, bool is_awaited) {
  if (share.allowance_ > 0) return true;
  const MutexLock lock(mutex_);
  if (share.has_place_) {
    share.place_ = std::max(share.place_, clock_of_turns_);
  } else {
    take_place(share);
  }
  share.order_ = ++orders_;
  share.is_awaited_ = is_awaited;
  share.waits_.store(true, std::memory_order_relaxed);
  waiting_.push_back(&share);
  give_out_locked();
  forget_readers();
  if (!share.waits()) return true;
  limited_at_ = clock_.now();
  return false;
}

void RateLimit::end(Share& share) {
  const MutexLock lock(mutex_);
  if (share.waits_.exchange(false, std::memory_order_relaxed)) std::erase(waiting_, &share);
  tokens_ += std::exchange(share.allowance_, 0);
  if (!std::exchange(share.has_place_, false)) return;
  const auto next_place = next_places_.find(share.reader_);
  if (next_place != next_places_.end()) next_place->second -= static_cast<double>(portion_bytes_);
}

void RateLimit::set_awaited(Share& share, bool is_awaited) {
  const MutexLock lock(mutex_);
  share.is_awaited_ = is_awaited;
}

void RateLimit::give_out() {
  const MutexLock lock(mutex_);
  give_out_locked();
}

void RateLimit::give_out_locked() {
  refill();
  while (tokens_ > 0) {
    Share* const share = next();
    if (share == nullptr) break;
    // Who has received more than it was given pays for that too.
    const std::int64_t debt = std::min<std::int64_t>(share->allowance_, 0);
    const std::int64_t given = static_cast<std::int64_t>(portion_bytes_) - debt;
    tokens_ -= given;
    share->allowance_ += given;
    awaited_in_a_row_ = share->is_awaited_ ? awaited_in_a_row_ + 1 : 0;
    clock_of_turns_ = std::max(clock_of_turns_, share->place_);
    next_places_[share->reader_] += static_cast<double>(-debt);
    take_place(*share);
  }
  std::erase_if(waiting_, [](Share* share) {
    if (share->allowance_ <= 0) return false;
    share->waits_.store(false, std::memory_order_release);
    return true;
  });
}

// Behind the reader's other portions, and not before what was given out last.
void RateLimit::take_place(Share& share) {
  double& next_place = next_places_[share.reader_];
  share.place_ = std::max(next_place, clock_of_turns_);
  next_place = share.place_ + static_cast<double>(portion_bytes_);
  share.has_place_ = true;
}

// Who is to have the next portion; null: nobody.
RateLimit::Share* RateLimit::next() const {
  const bool is_turn_of_others = awaited_in_a_row_ + 1 >= kOthersTurn;
  Share* best = nullptr;
  for (Share* const one : waiting_) {
    if (one->allowance_ >= most_at_once_) continue;
    if (best == nullptr || is_before(*one, *best, is_turn_of_others)) best = one;
  }
  return best;
}

bool RateLimit::is_before(const Share& one, const Share& other, bool is_turn_of_others) {
  if (one.is_awaited_ != other.is_awaited_) return one.is_awaited_ != is_turn_of_others;
  if (one.place_ != other.place_) return one.place_ < other.place_;
  return one.order_ < other.order_;
}

void RateLimit::refill() {
  const TimePoint now = clock_.now();
  const std::int64_t more = to_bytes(now - refilled_at_);
  if (more <= 0) return;
  // The rest of a byte is not lost, however often this is called.
  const auto whole = static_cast<double>(more) / static_cast<double>(bytes_per_second_);
  refilled_at_ = std::min(now, refilled_at_ + seconds_to_duration(whole));
  tokens_ = std::min(tokens_ + more, to_bytes(kBurst));
}

Duration RateLimit::wait() const {
  const MutexLock lock(mutex_);
  const auto lacking = static_cast<double>(std::max<std::int64_t>(1 - tokens_, 0));
  const Duration until = seconds_to_duration(lacking / static_cast<double>(bytes_per_second_));
  return std::max(refilled_at_ + until - clock_.now(), kTick);
}

bool RateLimit::is_limiting() const {
  const MutexLock lock(mutex_);
  return !waiting_.empty() || clock_.now() - limited_at_ <= kNotLongAgo;
}

std::int64_t RateLimit::to_bytes(Duration duration) const {
  // Seconds beyond the burst do not matter, and would be too many bytes for a number.
  const double seconds = std::min(std::chrono::duration<double>(duration).count(), 3600.0);
  return static_cast<std::int64_t>(seconds * static_cast<double>(bytes_per_second_));
}

// Those whose next place has been passed have none that differs from a new one's.
void RateLimit::forget_readers() {
  if (next_places_.size() <= kMostReaders) return;
  std::erase_if(next_places_, [&](const auto& entry) {
    mutex_.assert_held();
    return entry.second <= clock_of_turns_;
  });
}

}  // namespace ossmc
