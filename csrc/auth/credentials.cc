#include "auth/credentials.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "protocol/object_name.h"

namespace ossmc {

namespace {

// The provider is not asked more often than this: not about keys that it cannot renew, and not
// while it fails.
constexpr Duration kMinInterval = std::chrono::seconds(1);
// While it fails and usable keys are held there is no hurry.
constexpr Duration kRetryInterval = std::chrono::seconds(5);
// Expiries beyond this are as good as none; it keeps sums of nanoseconds in range.
constexpr double kFarSeconds = 10.0 * 365 * 86400;
constexpr double kAheadShare = 0.15;  // as oss2's EcsRamRoleCredential

bool is_expired(const Credentials& credentials, double unix_seconds) {
  // Written so that NaN counts as expired.
  return credentials.expires_unix_seconds && !(unix_seconds < *credentials.expires_unix_seconds);
}

Status unusable(std::string message) {
  return Status(StatusCode::kCredentials, "no usable credentials: " + std::move(message));
}

}  // namespace

CredentialsCache::CredentialsCache(const Clock& clock, Options options)
    : clock_(clock), options_(options) {}

std::unique_ptr<CredentialsCache> CredentialsCache::make_fixed(const Clock& clock,
                                                               Credentials credentials) {
  auto cache = std::make_unique<CredentialsCache>(clock, Options{});
  cache->fixed_ = true;
  MutexLock lock(cache->mutex_);
  cache->held_ = {std::make_shared<const Credentials>(std::move(credentials)), 1};
  cache->plan_locked();
  return cache;
}

bool CredentialsCache::is_anonymous() const {
  MutexLock lock(mutex_);
  return fixed_ && held_.credentials != nullptr && held_.credentials->anonymous;
}

void CredentialsCache::set_listener(Listener* listener) {
  MutexLock lock(listener_mutex_);
  listener_ = listener;
}

bool CredentialsCache::is_expired_locked() const {
  return held_.credentials != nullptr && is_expired(*held_.credentials, clock_.unix_seconds());
}

bool CredentialsCache::is_usable_locked() const {
  if (!is_expired_locked()) return held_.credentials != nullptr;
  return store_decides_ && refused_generation_ < held_.generation;
}

void CredentialsCache::plan_locked() {
  TimePoint at = TimePoint::max();
  if (!fixed_ && !in_flight_) {
    const TimePoint after_failure = failure_.empty() ? TimePoint::min() : failure_until_;
    if (flag_) {
      at = TimePoint::min();
    } else if (!is_usable_locked()) {
      at = after_failure;
    } else {
      at = refresh_at_;
      if (held_.credentials->expires_unix_seconds && !store_decides_) {
        const double left =
            std::min(*held_.credentials->expires_unix_seconds - clock_.unix_seconds(), kFarSeconds);
        const TimePoint ends = clock_.now() + seconds_to_duration(std::max(left, 0.0));
        at = std::min(at, std::max(ends, after_failure));
      }
    }
  }
  ask_at_.store(at.time_since_epoch().count(), std::memory_order_relaxed);
}

CredentialsCache::Pull CredentialsCache::get() {
  Pull pull;
  MutexLock lock(mutex_);
  const TimePoint now = clock_.now();
  const bool usable = fixed_ || is_usable_locked();
  if (usable) pull.snapshot = held_;
  if (fixed_) return pull;
  const bool failed_just_now = !failure_.empty() && now < failure_until_;
  if (!in_flight_ && !flag_ && (usable ? now >= refresh_at_ : !failed_just_now)) {
    flag_ = true;
    plan_locked();
  }
  if (usable) return pull;
  if (failed_just_now) {
    pull.status = unusable(failure_);
  } else if (in_flight_ && now - asked_at_ >= options_.provider_limit) {
    const auto limit = std::chrono::duration_cast<std::chrono::seconds>(options_.provider_limit);
    pull.status = unusable("the credentials provider has not answered for " +
                           std::to_string(limit.count()) + " s");
  }
  return pull;
}

bool CredentialsCache::report_refused(std::uint64_t generation) {
  MutexLock lock(mutex_);
  if (held_.generation > generation) return true;
  if (fixed_) return false;
  refused_generation_ = std::max(refused_generation_, generation);
  settled_generation_ = std::min(settled_generation_, generation == 0 ? 0 : generation - 1);
  // The running call will do if it was begun for a refusal of these keys.
  if (in_flight_ && in_flight_generation_ >= generation) return false;
  flag_ = true;
  plan_locked();
  return false;
}

bool CredentialsCache::refresh_settled(std::uint64_t generation) const {
  MutexLock lock(mutex_);
  return fixed_ || held_.generation > generation || settled_generation_ >= generation ||
         (in_flight_ && clock_.now() - asked_at_ >= options_.provider_limit);
}

bool CredentialsCache::holds_keys() const {
  MutexLock lock(mutex_);
  return is_usable_locked();
}

bool CredentialsCache::awaits_answer() const {
  // While it is being asked nothing else is to be asked: nearly always the atomic will do.
  if (ask_at_.load(std::memory_order_relaxed) != TimePoint::max().time_since_epoch().count())
    return false;
  MutexLock lock(mutex_);
  return in_flight_ && (!is_usable_locked() || settled_generation_ < refused_generation_);
}

std::uint64_t CredentialsCache::take_question() {
  MutexLock lock(mutex_);
  if (in_flight_ || !wants_answer()) return 0;
  flag_ = false;
  in_flight_ = true;
  in_flight_generation_ = refused_generation_;
  asked_at_ = clock_.now();
  plan_locked();
  return ++last_question_;
}

void CredentialsCache::give_up(std::uint64_t question) {
  MutexLock lock(mutex_);
  if (!in_flight_ || question != last_question_) return;
  in_flight_ = false;
  flag_ = true;
  plan_locked();
}

void CredentialsCache::settle_locked() {
  // An answer that nobody asked for, or that came before it was taken up: it answers all there is.
  if (!in_flight_) {
    flag_ = false;
    in_flight_generation_ = refused_generation_;
  }
  in_flight_ = false;
  settled_generation_ = std::max(settled_generation_, in_flight_generation_);
}

void CredentialsCache::fail_locked(std::string message) {
  settle_locked();
  // Nothing better is to be had.
  if (is_expired_locked()) store_decides_ = true;
  failure_ = std::move(message);
  failure_until_ = clock_.now() + kMinInterval;
  refresh_at_ = clock_.now() + kRetryInterval;
}

void CredentialsCache::put(Credentials credentials) {
  if (fixed_) return;
  const bool is_empty = !credentials.anonymous && (credentials.access_key_id.empty() ||
                                                   credentials.access_key_secret.empty());
  auto fresh = std::make_shared<const Credentials>(std::move(credentials));
  {
    MutexLock lock(mutex_);
    const TimePoint now = clock_.now();
    const double unix_seconds = clock_.unix_seconds();
    const bool fresh_is_expired = is_expired(*fresh, unix_seconds);
    const bool held_are_good = held_.credentials != nullptr && !is_expired_locked();
    const bool was_refused = held_.credentials != nullptr && held_.credentials->same_keys(*fresh) &&
                             refused_generation_ >= held_.generation;
    if (is_empty) {
      fail_locked("the credentials provider gave no access key id or no access key secret");
    } else if (fresh_is_expired && (held_are_good || was_refused)) {
      fail_locked(was_refused ? "the credentials provider gave what the server has refused; it has "
                                "expired, by this machine's clock"
                              : "the credentials provider gave credentials that have expired");
    } else {
      settle_locked();
      failure_.clear();
      store_decides_ = fresh_is_expired;
      refresh_at_ = now + options_.recheck;
      if (fresh->expires_unix_seconds && !fresh_is_expired) {
        const double left = std::min(*fresh->expires_unix_seconds - unix_seconds, kFarSeconds);
        const Duration ahead =
            std::min(options_.refresh_ahead, seconds_to_duration(left * kAheadShare));
        refresh_at_ = now + std::max(seconds_to_duration(left) - ahead, kMinInterval);
      }
      const bool changed = held_.credentials == nullptr || !held_.credentials->same_keys(*fresh);
      if (changed) {
        ++held_.generation;
        // What was refused has been replaced: nobody needs the second call that it asked for.
        flag_ = false;
      }
      fresh.swap(held_.credentials);  // the old ones are freed after the lock
    }
    plan_locked();
  }
  tell_listener();
}

void CredentialsCache::put_failure(std::string message) {
  if (fixed_) return;
  message = "the credentials provider failed: " + printable(message, 500);
  {
    MutexLock lock(mutex_);
    fail_locked(std::move(message));
    plan_locked();
  }
  tell_listener();
}

void CredentialsCache::tell_listener() {
  MutexLock lock(listener_mutex_);
  if (listener_ != nullptr) listener_->on_credentials_changed();
}

}  // namespace ossmc
