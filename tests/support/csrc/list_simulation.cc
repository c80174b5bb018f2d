#include "support/csrc/list_simulation.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <queue>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/utf8.h"
#include "fetch/retry.h"
#include "listing/fast_listing.h"
#include "support/csrc/pattern.h"

namespace ossmc {
namespace {

constexpr std::uint64_t kPageKeys = FastListing::kPageKeys;
constexpr std::size_t kMaxKeyBytes = 1023;

class SeededChance final : public Random {
 public:
  explicit SeededChance(std::uint64_t seed) : seed_(seed) {}

  double uniform() override { return static_cast<double>(next() >> 11) * 0x1p-53; }
  bool happens(double share) { return share > 0 && uniform() < share; }
  std::uint64_t next() { return pattern_word(seed_, count_++); }
  double normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }

 private:
  const std::uint64_t seed_;
  std::uint64_t count_ = 0;
};

class TokenBucket {
 public:
  explicit TokenBucket(double rate)
      : rate_(rate), most_(std::max(rate / 10, 1.0)), tokens_(most_) {}

  bool take(double now) {
    if (rate_ <= 0) return true;
    tokens_ = std::min(most_, tokens_ + (now - then_) * rate_);
    then_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  const double rate_;
  const double most_;
  double tokens_;
  double then_ = 0;
};

// What is in the bucket at a time.
class Store {
 public:
  Store(const KeyShape& shape, const ListConditions& conditions)
      : shape_(shape), conditions_(conditions) {}

  bool flickers(std::uint64_t index) const {
    return conditions_.flickering_share > 0 &&
           static_cast<double>(pattern_word(conditions_.seed + 1, index) >> 11) * 0x1p-53 <
               conditions_.flickering_share;
  }

  void list(std::string_view after, double now, SeededChance& chance, KeyPage& page) const {
    const std::uint64_t limit = conditions_.short_pages ? 1 + chance.next() % kPageKeys : kPageKeys;
    if (conditions_.flickering_share <= 0) return page.fill(shape_, after, limit);
    std::vector<std::uint64_t> indices;
    std::uint64_t index = shape_.first_behind(after);
    for (; index < shape_.size(); ++index) {
      if (!is_there(index, now)) continue;
      if (indices.size() == limit) break;
      indices.push_back(index);
    }
    page.fill(shape_, std::move(indices), index < shape_.size());
  }

 private:
  // A flickering key comes or goes, or stays, every three pages.
  bool is_there(std::uint64_t index, double now) const {
    if (!flickers(index)) return true;
    const auto epoch = static_cast<std::uint64_t>(now / (3 * conditions_.latency_seconds));
    return (pattern_word(conditions_.seed + 2 + epoch, index) & 1) != 0;
  }

  const KeyShape& shape_;
  const ListConditions& conditions_;
};

class RealListing final : public ListController {
 public:
  RealListing(const std::string& prefix, int slots) : listing_(prefix, slots) {}

  std::optional<PageWanted> next() override { return listing_.next(); }
  Result<std::size_t> take_page(std::uint64_t id, std::span<const std::string_view> keys,
                                bool is_truncated) override {
    return listing_.take_page(id, keys, is_truncated);
  }
  void note_throttled() override { listing_.note_throttled(); }
  bool is_done() const override { return listing_.is_done(); }
  int in_flight() const override { return listing_.in_flight(); }

 private:
  FastListing listing_;
};

// Page after page.
class PlainListing final : public ListController {
 public:
  std::optional<PageWanted> next() override {
    if (asked_ || done_) return std::nullopt;
    asked_ = true;
    return PageWanted{1, after_};
  }
  Result<std::size_t> take_page(std::uint64_t, std::span<const std::string_view> keys,
                                bool is_truncated) override {
    asked_ = false;
    done_ = !is_truncated;
    if (!keys.empty()) after_ = keys.back();
    return keys.size();
  }
  void note_throttled() override {}
  bool is_done() const override { return done_; }
  int in_flight() const override { return asked_ ? 1 : 0; }

 private:
  std::string after_;
  bool asked_ = false;
  bool done_ = false;
};

class Simulation {
 public:
  Simulation(const KeyShape& shape, const ListConditions& conditions, ListController& listing,
             int slots)
      : shape_(shape),
        conditions_(conditions),
        listing_(listing),
        slots_(slots),
        store_(shape, conditions),
        chance_(conditions.seed),
        bucket_(conditions.requests_per_second) {
    const std::uint64_t size = shape.size();
    outcome_.least_pages = std::max<std::uint64_t>((size + kPageKeys - 1) / kPageKeys, 1);
    double at_once = slots;
    if (conditions.requests_per_second > 0)
      at_once = std::min(at_once, conditions.requests_per_second * conditions.latency_seconds);
    outcome_.ideal_seconds =
        conditions.latency_seconds *
        (1 + std::ceil(static_cast<double>(outcome_.least_pages - 1) / std::max(at_once, 1e-9)));
    // Far above what any listing that works needs: short pages are half full on average.
    most_pages_ = 1000 + 50 * static_cast<std::uint64_t>(slots) +
                  outcome_.least_pages * (conditions.short_pages ? 16 : 6);
    most_attempts_ = 20 * most_pages_;
  }

  ListOutcome run() {
    ask();
    while (outcome_.failure.empty() && !events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.time;
      handle(event);
      if (outcome_.failure.empty()) ask();
    }
    if (outcome_.failure.empty()) {
      if (!listing_.is_done()) fail("it asks for nothing and is not done");
      if (listing_.in_flight() != 0) fail("it believes that requests are in flight");
    }
    outcome_.seconds = now_;
    if (now_ > 0) outcome_.busy_share = busy_seconds_ / (now_ * slots_);
    if (outcome_.failure.empty()) check_keys();
    return outcome_;
  }

 private:
  enum class What { kStart, kThrottled, kReset, kPage };
  struct Event {
    double time;
    std::uint64_t number;  // the earlier one of two at the same time
    What what;
    std::uint64_t id;
    bool operator<(const Event& other) const {
      return time != other.time ? time > other.time : number > other.number;
    }
  };
  struct Wanted {
    std::string after;
    int retries = 0;
  };

  void schedule(double delay, What what, std::uint64_t id) {
    events_.push({now_ + delay, event_count_++, what, id});
  }

  // All that the controller wants now.
  void ask() {
    while (std::optional<PageWanted> wanted = listing_.next()) {
      if (listing_.is_done()) return fail("it is done and asks for a page");
      const std::string& prefix = shape_.prefix();
      if (!wanted->after.empty() && !wanted->after.starts_with(prefix))
        return fail("it asks behind a name outside the prefix: " + wanted->after);
      if (!is_utf8(wanted->after)) return fail("it asks behind a name that is not UTF-8");
      if (wanted->after.size() > kMaxKeyBytes) return fail("it asks behind a name too long");
      const std::uint64_t id = wanted->id;
      if (!wanted_.emplace(id, Wanted{std::move(wanted->after)}).second)
        return fail("it used an id twice");
      if (wanted_.size() > static_cast<std::size_t>(slots_)) return fail("more than all slots");
      schedule(0, What::kStart, id);
    }
  }

  void handle(const Event& event) {
    switch (event.what) {
      case What::kStart:
        return start(event.id);
      case What::kThrottled:
        ++outcome_.throttled;
        listing_.note_throttled();
        return again(event.id, RetryClass::kThrottled);
      case What::kReset:
        ++outcome_.resets;
        return again(event.id, RetryClass::kTransient);
      case What::kPage:
        return answer(event.id);
    }
  }

  void start(std::uint64_t id) {
    if (++outcome_.attempts > most_attempts_) return fail("too many attempts");
    const double latency = draw_latency();
    double delay = latency;
    What what = What::kPage;
    // A refusal needs no listing.
    if (!bucket_.take(now_) || chance_.happens(conditions_.throttled_share)) {
      delay = latency / 4;
      what = What::kThrottled;
    } else if (chance_.happens(conditions_.reset_share)) {
      delay = latency * chance_.uniform();
      what = What::kReset;
    }
    busy_seconds_ += delay;
    schedule(delay, what, id);
  }

  double draw_latency() {
    if (!conditions_.latency_spreads) return conditions_.latency_seconds;
    const double straggles = chance_.happens(0.005) ? 5 : 1;
    return conditions_.latency_seconds * straggles * std::exp(0.2 * chance_.normal());
  }

  void again(std::uint64_t id, RetryClass retry_class) {
    const int retry = ++wanted_.at(id).retries;
    if (!quota_.try_spend(retry_class) || retry >= options_.max_attempts) ++outcome_.given_up;
    const Duration wait = backoff(options_, retry_class, retry, std::nullopt, chance_);
    schedule(std::chrono::duration<double>(wait).count(), What::kStart, id);
  }

  void answer(std::uint64_t id) {
    if (++outcome_.pages > most_pages_) return fail("too many pages");
    quota_.earn();
    const auto found = wanted_.find(id);
    store_.list(found->second.after, now_, chance_, page_);
    wanted_.erase(found);
    const Result<std::size_t> kept =
        listing_.take_page(id, std::span(page_.keys()), page_.is_truncated());
    if (!kept.is_ok()) return fail(kept.status().message());
    if (*kept > page_.keys().size()) return fail("it keeps more rows than there are");
    if (*kept == 0) {
      ++outcome_.empty_pages;
    } else {
      outcome_.keys += *kept;
      kept_.emplace_back(page_.indices().front(), page_.indices()[*kept - 1]);
    }
  }

  // What was kept, in order: no two stretches may meet in a key, and only keys that come and go may
  // lie between them.
  void check_keys() {
    std::sort(kept_.begin(), kept_.end());
    std::uint64_t next = 0;
    for (const auto& [first, last] : kept_) {
      if (first < next) return fail("twice: key " + std::to_string(first));
      if (!may_lack(next, first)) return;
      next = last + 1;
    }
    may_lack(next, shape_.size());
  }

  bool may_lack(std::uint64_t begin, std::uint64_t end) {
    for (std::uint64_t index = begin; index < end; ++index) {
      if (store_.flickers(index)) continue;
      fail("lost: key " + std::to_string(index));
      return false;
    }
    return true;
  }

  void fail(std::string what) {
    outcome_.failure = shape_.name() + " of " + std::to_string(shape_.size()) + " keys, " +
                       std::to_string(slots_) + " slots, seed " + std::to_string(conditions_.seed) +
                       ", after " + std::to_string(outcome_.pages) + " pages: " + what;
  }

  const KeyShape& shape_;
  const ListConditions& conditions_;
  ListController& listing_;
  const int slots_;
  const Store store_;
  const RetryOptions options_;
  SeededChance chance_;
  TokenBucket bucket_;
  RetryQuota quota_;
  std::uint64_t most_pages_ = 0;
  std::uint64_t most_attempts_ = 0;
  std::priority_queue<Event> events_;
  std::uint64_t event_count_ = 0;
  std::unordered_map<std::uint64_t, Wanted> wanted_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> kept_;  // first and last key of a page
  KeyPage page_;
  double now_ = 0;
  double busy_seconds_ = 0;
  ListOutcome outcome_;
};

}  // namespace

ListOutcome simulate_list(const KeyShape& shape, const ListConditions& conditions,
                          ListController& controller, int slots) {
  return Simulation(shape, conditions, controller, slots).run();
}

ListOutcome simulate_fast_list(const KeyShape& shape, const ListConditions& conditions) {
  RealListing listing(shape.prefix(), conditions.slots);
  return simulate_list(shape, conditions, listing, conditions.slots);
}

ListOutcome simulate_plain_list(const KeyShape& shape, const ListConditions& conditions) {
  PlainListing listing;
  return simulate_list(shape, conditions, listing, 1);
}

}  // namespace ossmc
