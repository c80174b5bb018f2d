// What the tests of IoPool share: an exchange that remembers, a source that is a queue, and both
// with a running pool.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/counters.h"
#include "transfer/exchange.h"
#include "transfer/io_pool.h"

namespace ossmc {

using namespace std::chrono_literals;

// No pause of a machine whose processors others take is as long: what takes this long waits for
// something that does not come.
inline constexpr Duration kHang = 30s;

// Owned by the test, which waits for its end. Members without a lock: set before it is queued.
class RecordedExchange final : public Exchange {
 public:
  explicit RecordedExchange(std::string url, Method method = Method::kGet) {
    request_.url = std::move(url);
    request_.method = method;
  }

  HttpRequest request_;
  bool accept_head_ = true;
  std::size_t accept_body_ = SIZE_MAX;  // aborts at the piece that passes this
  std::function<void()> on_start_;      // on the I/O thread, as the next one
  std::function<void()> on_head_;       // called first
  std::function<void()> on_end_;        // called last
  std::atomic<bool> cancelled_{false};
  bool is_awaited_ = true;
  bool may_be_slow_ = false;
  const void* reader_ = nullptr;         // of the limit of bytes a second
  std::atomic<int> times_held_back_{0};  // for that
  std::atomic<bool> is_held_back_{false};

  const HttpRequest& request() noexcept override {
    const std::lock_guard lock(mutex_);
    calls_ += 'r';
    if (on_start_) on_start_();
    return request_;
  }
  bool on_head(const ResponseHead& head) noexcept override {
    if (on_head_) on_head_();
    const std::lock_guard lock(mutex_);
    calls_ += 'h';
    head_ = head;
    changed_.notify_all();
    return accept_head_;
  }
  bool on_body(const std::byte* data, std::size_t size) noexcept override {
    const std::lock_guard lock(mutex_);
    if (calls_.back() != 'b') calls_ += 'b';
    body_.append(reinterpret_cast<const char*>(data), size);
    changed_.notify_all();
    return body_.size() <= accept_body_;
  }
  void on_done(const ExchangeOutcome& outcome) noexcept override {
    const std::function<void()> on_end = on_end_;
    {
      const std::lock_guard lock(mutex_);
      calls_ += 'd';
      outcome_ = outcome;
      changed_.notify_all();
    }
    if (on_end) on_end();
  }
  bool cancelled() const noexcept override { return cancelled_.load(); }
  bool is_awaited() const noexcept override { return is_awaited_; }
  bool may_be_slow() const noexcept override { return may_be_slow_; }
  const void* reader() const noexcept override { return reader_; }
  void on_held_back(bool is_held_back) noexcept override {
    is_held_back_ = is_held_back;
    if (is_held_back) times_held_back_.fetch_add(1);
  }

  // Blocks until on_done.
  ExchangeOutcome wait() {
    std::unique_lock lock(mutex_);
    if (!wait_locked(lock, [this] { return outcome_.has_value(); })) {
      ADD_FAILURE() << "exchange not done: " << request_.url;
      ExchangeOutcome not_done;
      not_done.error = TransportError::kOther;
      not_done.text = "not done";
      return not_done;
    }
    return *outcome_;
  }
  bool wait_for_head() {
    std::unique_lock lock(mutex_);
    return wait_locked(lock, [this] { return head_.has_value(); });
  }
  bool wait_for_body(std::size_t size) {
    std::unique_lock lock(mutex_);
    return wait_locked(lock, [this, size] { return body_.size() >= size; });
  }
  bool done() {
    const std::lock_guard lock(mutex_);
    return outcome_.has_value();
  }
  // After the end: one letter a call, pieces of the body in a row as one.
  std::string calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  ResponseHead head() {
    const std::lock_guard lock(mutex_);
    return head_.value_or(ResponseHead{});
  }
  std::string body() {
    const std::lock_guard lock(mutex_);
    return body_;
  }

 private:
  template <typename Condition>
  bool wait_locked(std::unique_lock<std::mutex>& lock, Condition condition) {
    // The system's clock: see wire_server.cc. Longer than the waits within an exchange.
    return changed_.wait_until(lock, std::chrono::system_clock::now() + 2 * kHang, condition);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string calls_;
  std::optional<ResponseHead> head_;
  std::string body_;
  std::optional<ExchangeOutcome> outcome_;
};

// First in, first out; at most `limit` at a time for each thread.
class QueueSource final : public WorkSource {
 public:
  std::atomic<int> limit_{8};
  std::atomic<int> asked_{0};
  std::atomic<bool> was_behind_{false};  // a thread said so
  std::atomic<bool> heeds_ramp_{false};
  std::atomic<int> least_ramp_{INT_MAX};  // that a thread told
  std::atomic<int> most_held_back_{0};    // likewise

  void push(Exchange& exchange) {
    const std::lock_guard lock(mutex_);
    queue_.push_back({&exchange, TimePoint::min()});
  }
  // Not before `due`.
  void push_at(Exchange& exchange, TimePoint due) {
    const std::lock_guard lock(mutex_);
    queue_.push_back({&exchange, due});
  }
  // Given out to a thread that was behind and is no more.
  void keep_back_while_behind(Exchange& exchange) {
    const std::lock_guard lock(mutex_);
    kept_back_ = &exchange;
  }
  // Called once.
  void set_on_behind(std::function<void()> call) {
    const std::lock_guard lock(mutex_);
    on_behind_ = std::move(call);
  }
  Exchange* next(int, const Occupancy& occupancy) noexcept override {
    const bool behind = occupancy.behind;
    asked_.fetch_add(1);
    if (occupancy.ramp < least_ramp_.load()) least_ramp_.store(occupancy.ramp);
    if (occupancy.held_back > most_held_back_.load()) most_held_back_.store(occupancy.held_back);
    if (occupancy.busy >= limit_.load()) return nullptr;
    if (heeds_ramp_.load() && occupancy.busy >= occupancy.ramp) return nullptr;
    const std::lock_guard lock(mutex_);
    if (behind) was_behind_.store(true);
    if (behind && on_behind_) std::exchange(on_behind_, nullptr)();
    if (kept_back_ != nullptr && was_behind_.load() && !behind) {
      return std::exchange(kept_back_, nullptr);
    }
    if (queue_.empty() || queue_.front().second > system_clock().now()) return nullptr;
    Exchange* exchange = queue_.front().first;
    queue_.pop_front();
    return exchange;
  }
  TimePoint next_due() noexcept override {
    const std::lock_guard lock(mutex_);
    if (queue_.empty() || queue_.front().second == TimePoint::min()) return TimePoint::max();
    return queue_.front().second;
  }

 private:
  std::mutex mutex_;
  std::deque<std::pair<Exchange*, TimePoint>> queue_;
  Exchange* kept_back_ = nullptr;
  std::function<void()> on_behind_;
};

class IoPoolTest : public ::testing::Test {
 protected:
  IoPoolTest() {
    options_.proxy_from_environment = false;
    options_.user_agent = "ossmc-test";
  }

  void start() {
    pool_ = std::make_unique<IoPool>(options_, source_, system_clock(), counters_);
    const Status status = pool_->start();
    ASSERT_TRUE(status.is_ok()) << status.message();
  }
  void submit(RecordedExchange& exchange) {
    source_.push(exchange);
    pool_->wake();
  }
  // One exchange from its start to its end.
  ExchangeOutcome run(RecordedExchange& exchange) {
    if (!pool_) start();
    submit(exchange);
    return exchange.wait();
  }
  static bool eventually(const std::function<bool()>& condition) {
    const TimePoint until = system_clock().now() + kHang;
    while (!condition()) {
      if (system_clock().now() > until) return false;
      std::this_thread::sleep_for(1ms);
    }
    return true;
  }
  // Whether it is true in one of its tries: a busy machine does not disturb them all.
  static bool once(const std::function<bool()>& attempt) {
    for (int i = 0; i < 5 && !HasFailure(); ++i) {
      if (attempt()) return true;
    }
    return false;
  }

  IoPoolOptions options_;
  Counters counters_;
  QueueSource source_;
  std::unique_ptr<IoPool> pool_;  // goes before what it uses
};

}  // namespace ossmc
