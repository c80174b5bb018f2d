#include "listing/fast_lister.h"

#include <algorithm>
#include <atomic>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "listing/page_check.h"
#include "listing/serial_lister.h"
#include "protocol/list_reply.h"
#include "protocol/object_name.h"
#include "protocol/store_request.h"

namespace ossmc {

struct FastLister::Arrival {
  std::uint64_t id = 0;
  Status status;
  ResponseHead head;  // of a reply
  ListPage page;
};

// Filled by I/O threads, emptied by the lister's. May outlive the lister.
class FastLister::Inbox {
 public:
  void put(Arrival arrival) {
    {
      MutexLock lock(mutex_);
      arrivals_.push_back(std::move(arrival));
    }
    epoch_.fetch_add(1, std::memory_order_release);
    futex_wake_all(epoch_);
  }
  std::vector<Arrival> take_all() {
    MutexLock lock(mutex_);
    return std::exchange(arrivals_, {});
  }
  std::uint32_t epoch() const { return epoch_.load(std::memory_order_acquire); }
  void wait(std::uint32_t epoch, Duration limit) { futex_wait(epoch_, epoch, limit); }

 private:
  std::atomic<std::uint32_t> epoch_{0};
  Mutex mutex_;
  std::vector<Arrival> arrivals_ OSSMC_GUARDED_BY(mutex_);
};

FastLister::FastLister(SmallRequestQueue& queue, const Counters& counters, const Clock& clock,
                       std::string bucket, std::string prefix, int slots, Duration page_limit)
    : queue_(queue),
      counters_(counters),
      clock_(clock),
      bucket_(std::move(bucket)),
      prefix_(std::move(prefix)),
      name_(bucket_, prefix_),
      page_limit_(page_limit),
      listing_(prefix_, slots),
      throttles_seen_(load(counters.throttles)),
      inbox_(std::make_shared<Inbox>()) {}

FastLister::~FastLister() {
  for (const auto& [id, pending] : asked_) pending->cancel();
}

void FastLister::ask() {
  const std::uint64_t throttles = load(counters_.throttles);
  if (std::exchange(throttles_seen_, throttles) != throttles) listing_.note_throttled();
  while (std::optional<PageWanted> wanted = listing_.next()) {
    const std::uint64_t id = wanted->id;
    auto parse = [inbox = inbox_, id](PendingReply& reply, const Status& status) {
      Arrival arrival{id, status, {}, {}};
      if (status.is_ok()) {
        Result<ListPage> page = parse_list_page(std::move(reply.body()));
        arrival.head = reply.head();
        if (page.is_ok()) {
          arrival.page = std::move(page).value();
        } else {
          arrival.status = page.status();
        }
      }
      inbox->put(std::move(arrival));
    };
    asked_.emplace(
        id, queue_.submit(Operation::kList, list_request(bucket_, prefix_, wanted->after, {}),
                          name_.what, name_.uri, kMaxListBodyBytes, std::move(parse)));
  }
}

Status FastLister::take(Arrival& arrival, ObjectColumns& rows) {
  asked_.erase(arrival.id);
  if (!arrival.status.is_ok()) {
    const bool is_reply = arrival.head.status != 0;
    return named_error(name_, arrival.status, is_reply ? &arrival.head : nullptr);
  }
  std::vector<std::string_view> keys;
  keys.reserve(arrival.page.objects.size());
  for (const ListedObject& object : arrival.page.objects) keys.push_back(object.key);
  Status signs = take_plus_signs(arrival.page.plus_signs);
  if (!signs.is_ok()) return named_error(name_, signs, &arrival.head);
  const Result<std::size_t> kept = listing_.take_page(arrival.id, keys, arrival.page.is_truncated);
  if (!kept.is_ok()) {
    is_plain_better_ = kept.status().code() == StatusCode::kProtocol;
    return named_error(name_, kept.status(), &arrival.head);
  }
  for (std::size_t i = 0; i < *kept; ++i) {
    const ListedObject& object = arrival.page.objects[i];
    const Status status = check_size(object);
    if (!status.is_ok()) return named_error(name_, status, &arrival.head);
    rows.append(object);
  }
  return Status::ok();
}

// Keys are places to go on from: pages that came before it is known what they are would have to be
// asked for again.
Status FastLister::take_plus_signs(const PlusSigns& signs) {
  plus_signs_.add(signs);
  const bool page_means_blanks = signs.raw && signs.mean_blanks();
  if (!page_means_blanks && !(plus_signs_.raw && plus_signs_.mean_blanks())) return Status::ok();
  is_plain_better_ = true;
  return broken_page("\"+\" in keys stands for a blank (EncodingType url)");
}

Result<bool> FastLister::next_rows(ObjectColumns& rows, Interrupt& interrupt) {
  const TimePoint deadline = clock_.now() + page_limit_;
  while (!listing_.is_done()) {
    ask();
    const std::uint32_t epoch = inbox_->epoch();
    std::vector<Arrival> arrivals = inbox_->take_all();
    if (!arrivals.empty()) {
      for (Arrival& arrival : arrivals) {
        Status status = take(arrival, rows);
        if (!status.is_ok()) return status;
      }
      ask();  // before the rows are looked at
      return true;
    }
    const TimePoint now = clock_.now();  // before the interrupt, which may take its time
    if (interrupt.pending()) return Status(StatusCode::kInterrupted, "interrupted");
    if (now >= deadline) return no_page_in_time(name_, page_limit_);
    inbox_->wait(epoch, std::min<Duration>(kWaitSlice, deadline - now));
  }
  return false;
}

}  // namespace ossmc
