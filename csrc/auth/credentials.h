// Credentials, and the cache through which everyone sees them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/status.h"

namespace ossmc {

// A key pair and its optional token. Deliberately without a printer: secrets have no way into a
// text.
struct Credentials {
  std::string access_key_id;
  std::string access_key_secret;
  std::string security_token;  // empty: none
  std::optional<double> expires_unix_seconds;
  bool anonymous = false;  // send unsigned requests

  bool same_keys(const Credentials& other) const {
    return access_key_id == other.access_key_id && access_key_secret == other.access_key_secret &&
           security_token == other.security_token && anonymous == other.anonymous;
  }
};

// One version of the credentials: `generation` grows when the keys change, so that a request can
// tell whether those it was signed with have been replaced since.
struct CredentialsSnapshot {
  std::shared_ptr<const Credentials> credentials;
  std::uint64_t generation = 0;
};

// The cache between the requests, which only pull, and callers, one of whom asks the provider.
//
// I/O threads never call a provider and never wait for one: get() returns what is held. When that
// is missing, old or about to expire, the cache wants an answer: a caller who waits for bytes, or
// makes the next call, sees it, takes the question, asks the user's provider in its own thread, and
// puts the answer or the failure here. One has the question at a time; where nobody calls, nothing
// is asked. An answer calls the listener, which wakes whoever parked work for lack of credentials.
//
// Whether keys have expired is for the store to say, since this machine's clock may be off: those
// that seem to have, and that the provider cannot better, are used until the store has refused them
// once.
//
// Thread-safe. Owned by the connector; outlives its I/O threads.
class CredentialsCache {
 public:
  struct Options {
    // Ask again for credentials that carry no expiry when they are older than this: they may have
    // been replaced silently.
    Duration recheck = std::chrono::seconds(60);
    // Ask ahead of expiry by this, or by 15 % of what is left at the time of the put, whichever is
    // less.
    Duration refresh_ahead = std::chrono::seconds(300);
    // With nothing usable and no answer for this long since the provider was asked, requests fail
    // (kCredentials) instead of waiting; so do those that wait for the answer to a refusal.
    Duration provider_limit = std::chrono::seconds(10);
  };
  class Listener {
   public:
    virtual ~Listener() = default;
    // Called without the cache's lock by the thread that put it, after every answer: new keys, the
    // same or a failure.
    virtual void on_credentials_changed() = 0;
  };

  CredentialsCache(const Clock& clock, Options options);
  CredentialsCache(const CredentialsCache&) = delete;
  CredentialsCache& operator=(const CredentialsCache&) = delete;

  // Held for good: for a fixed key pair or anonymous access; never wants an answer, ignores
  // what is put.
  static std::unique_ptr<CredentialsCache> make_fixed(const Clock& clock, Credentials credentials);

  // Made by make_fixed() for unsigned requests.
  bool is_anonymous() const;

  // Null: nobody. When this has returned, the listener of before is not called any more; so a
  // listener must not call it.
  void set_listener(Listener* listener);

  // What to sign with now. Null credentials with an OK status: none yet, an answer is wanted, come
  // back when the listener is called. An error: the provider failed (or gave expired keys, or no
  // answer in time) and nothing usable is held.
  struct Pull {
    CredentialsSnapshot snapshot;
    Status status;
  };
  Pull get();

  // The server refused the credentials of `generation`. Wants an answer unless they were replaced
  // already, or the provider is being asked because of such a refusal; a call that was begun for
  // another reason does not count, since its answer may be older. Returns true when a newer
  // generation is held (retry now).
  bool report_refused(std::uint64_t generation);
  // True once the refresh asked for by report_refused(generation) has been answered (by new keys,
  // the same keys or a failure), or the provider has been asked for provider_limit. Fixed
  // credentials: at once.
  bool refresh_settled(std::uint64_t generation) const;

  // --- for callers ---
  // Whether the provider should be asked now, and nobody does. One atomic and a look at the clock.
  bool wants_answer() const {
    return clock_.now().time_since_epoch().count() >= ask_at_.load(std::memory_order_relaxed);
  }
  // Usable keys are held: while they are renewed nobody waits for it.
  bool holds_keys() const;
  // The provider is being asked, and requests wait for what it says.
  bool awaits_answer() const;
  // Takes the question; 0: nothing to ask now, or somebody else has it. Else the caller owes a
  // put(), a put_failure() or a give_up() with what it got.
  std::uint64_t take_question();
  // Gives the question back, for the next caller. Does nothing if it was answered.
  void give_up(std::uint64_t question);
  // Keys that are empty count as a failure; so do those that have expired, by this clock, while
  // better ones are held or after the server refused them.
  void put(Credentials credentials);
  // `message` tells what went wrong, without secrets. Usable credentials held before stay in use.
  void put_failure(std::string message);

 private:
  bool is_expired_locked() const OSSMC_REQUIRES(mutex_);
  bool is_usable_locked() const OSSMC_REQUIRES(mutex_);
  void settle_locked() OSSMC_REQUIRES(mutex_);
  void fail_locked(std::string message) OSSMC_REQUIRES(mutex_);
  // After each change: when the provider is to be asked next.
  void plan_locked() OSSMC_REQUIRES(mutex_);
  void tell_listener();

  const Clock& clock_;
  const Options options_;
  bool fixed_ = false;  // set by make_fixed() before anyone else sees the cache

  // Of the clock; written under the mutex. Relaxed: who sees it late asks a little later.
  std::atomic<TimePoint::rep> ask_at_{TimePoint::min().time_since_epoch().count()};

  mutable Mutex mutex_;
  CredentialsSnapshot held_ OSSMC_GUARDED_BY(mutex_);
  // What is held has expired, by this clock, and the provider has been asked since.
  bool store_decides_ OSSMC_GUARDED_BY(mutex_) = false;
  // Not asked before, unless nothing usable is held.
  TimePoint refresh_at_ OSSMC_GUARDED_BY(mutex_){};
  // A request wants the provider asked.
  bool flag_ OSSMC_GUARDED_BY(mutex_) = false;
  std::uint64_t last_question_ OSSMC_GUARDED_BY(mutex_) = 0;
  // Somebody has taken it and not answered yet.
  bool in_flight_ OSSMC_GUARDED_BY(mutex_) = false;
  // Since when.
  TimePoint asked_at_ OSSMC_GUARDED_BY(mutex_){};
  // Set by a failure: its text, and until when it stands as the answer where nothing usable is
  // held.
  std::string failure_ OSSMC_GUARDED_BY(mutex_);
  TimePoint failure_until_ OSSMC_GUARDED_BY(mutex_){};
  // Generations refused, those of them that the running provider call was begun for, and those
  // answered for.
  std::uint64_t refused_generation_ OSSMC_GUARDED_BY(mutex_) = 0;
  std::uint64_t in_flight_generation_ OSSMC_GUARDED_BY(mutex_) = 0;
  std::uint64_t settled_generation_ OSSMC_GUARDED_BY(mutex_) = 0;

  // Held while the listener is called, so that it cannot go away meanwhile. Never taken inside
  // mutex_.
  Mutex listener_mutex_;
  Listener* listener_ OSSMC_GUARDED_BY(listener_mutex_) = nullptr;
};

}  // namespace ossmc
