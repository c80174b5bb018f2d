#include "auth/credentials.h"

#include <sys/eventfd.h>
#include <unistd.h>

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
    : clock_(clock), options_(options), event_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

CredentialsCache::~CredentialsCache() {
  if (event_fd_ >= 0) ::close(event_fd_);
}

std::unique_ptr<CredentialsCache> CredentialsCache::make_fixed(const Clock& clock,
                                                               Credentials credentials) {
  auto cache = std::make_unique<CredentialsCache>(clock, Options{});
  cache->fixed_ = true;
  MutexLock lock(cache->mutex_);
  cache->held_ = {std::make_shared<const Credentials>(std::move(credentials)), 1};
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

bool CredentialsCache::raise_flag_locked() {
  if (flag_) return false;
  flag_ = true;
  // A call that runs already owes its answer since it was asked for.
  if (!in_flight_) asked_at_ = clock_.now();
  return true;
}

void CredentialsCache::signal() {
  const std::uint64_t one = 1;
  // Cannot fail in a way that matters: a full eventfd is readable already.
  [[maybe_unused]] const ssize_t written = ::write(event_fd_, &one, sizeof(one));
}

CredentialsCache::Pull CredentialsCache::get() {
  Pull pull;
  bool raised = false;
  {
    MutexLock lock(mutex_);
    const TimePoint now = clock_.now();
    const bool usable = fixed_ || is_usable_locked();
    if (usable) pull.snapshot = held_;
    if (fixed_) return pull;
    const bool failed_just_now = !failure_.empty() && now < failure_until_;
    if (usable ? now >= refresh_at_ : !failed_just_now) {
      if (!in_flight_) raised = raise_flag_locked();
    }
    if (!usable) {
      if (failed_just_now) {
        pull.status = unusable(failure_);
      } else if (now - asked_at_ >= options_.provider_limit) {
        const auto limit =
            std::chrono::duration_cast<std::chrono::seconds>(options_.provider_limit);
        pull.status = unusable("the credentials provider has not answered for " +
                               std::to_string(limit.count()) + " s");
      }
    }
  }
  if (raised) signal();
  return pull;
}

bool CredentialsCache::report_refused(std::uint64_t generation) {
  bool raised = false;
  {
    MutexLock lock(mutex_);
    if (held_.generation > generation) return true;
    if (fixed_) return false;
    const TimePoint now = clock_.now();
    const bool already_waited_for = refused_generation_ >= generation &&
                                    settled_generation_ < generation &&
                                    now - refused_at_ < options_.provider_limit;
    if (!already_waited_for) refused_at_ = now;
    refused_generation_ = std::max(refused_generation_, generation);
    settled_generation_ = std::min(settled_generation_, generation == 0 ? 0 : generation - 1);
    // The running call will do if it was begun for a refusal of these keys.
    if (in_flight_ && in_flight_generation_ >= generation) return false;
    raised = raise_flag_locked();
  }
  if (raised) signal();
  return false;
}

bool CredentialsCache::refresh_settled(std::uint64_t generation) const {
  MutexLock lock(mutex_);
  return fixed_ || held_.generation > generation || settled_generation_ >= generation ||
         clock_.now() - refused_at_ >= options_.provider_limit;
}

bool CredentialsCache::take_refresh_request() {
  // Cleared before the look, so that a flag raised after it signals again: at worst there is one
  // signal too many.
  std::uint64_t signals = 0;
  [[maybe_unused]] const ssize_t cleared = ::read(event_fd_, &signals, sizeof(signals));
  MutexLock lock(mutex_);
  if (!flag_) return false;
  flag_ = false;
  in_flight_ = true;
  in_flight_generation_ = refused_generation_;
  return true;
}

void CredentialsCache::settle_locked() {
  // An answer that nobody asked for, or that came before it was taken up: it answers all there is.
  if (!in_flight_) {
    flag_ = false;
    in_flight_generation_ = refused_generation_;
  }
  in_flight_ = false;
  settled_generation_ = std::max(settled_generation_, in_flight_generation_);
  // The flag was raised during the call, by a refusal: the next call owes its answer from now on.
  if (flag_) asked_at_ = clock_.now();
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
  }
  tell_listener();
}

void CredentialsCache::put_failure(std::string message) {
  if (fixed_) return;
  message = "the credentials provider failed: " + printable(message, 500);
  {
    MutexLock lock(mutex_);
    fail_locked(std::move(message));
  }
  tell_listener();
}

void CredentialsCache::tell_listener() {
  MutexLock lock(listener_mutex_);
  if (listener_ != nullptr) listener_->on_credentials_changed();
}

}  // namespace ossmc
