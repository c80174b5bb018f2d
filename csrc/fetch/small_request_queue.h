// SmallRequestQueue: small requests in first-come order, each with a caller that waits for it.
//
// It is the work source of the listing threads, and a part of the scheduler's most urgent class for
// HEAD requests.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "base/mutex.h"
#include "base/wait.h"
#include "fetch/small_request.h"
#include "transfer/exchange.h"

namespace ossmc {

// A small request in progress, as its caller sees it. Thread-safe.
class PendingReply {
 public:
  // Called once, by the thread that ended the request, under no lock: kOk: head() and body() are
  // there.
  using Done = std::function<void(PendingReply&, const Status&)>;

  PendingReply(std::shared_ptr<SmallRequest> request, Transport& transport, Done done)
      : request_(std::move(request)), transport_(transport), on_done_(std::move(done)) {}

  // Blocks until the reply, the connector's close, an interrupt or `limit` (kTransferTimeout). kOk:
  // head() and body() may be used. Any other outcome cancels the request.
  Status wait(Interrupt& interrupt, const Clock& clock, Duration limit);
  // It ends soon, with kClosed if it had not ended before.
  void cancel();
  bool is_done() const { return done_.load(std::memory_order_acquire) != 0; }
  const ResponseHead& head() const { return request_->head(); }
  std::string& body() { return request_->body(); }

 private:
  friend class SmallRequestQueue;
  void complete(const Status& status);

  const std::shared_ptr<SmallRequest> request_;
  Transport& transport_;  // outlives every wait()
  const Done on_done_;    // may be empty
  std::atomic<std::uint32_t> done_{0};
  Status status_;  // written before done_ is set (release), read after it was seen (acquire)
};

// Thread-safe. Owned by the engine, outlives the I/O threads that ask it.
class SmallRequestQueue final : public WorkSource, public SmallRequestOwner {
 public:
  // `slots_per_thread`: exchanges in progress in one I/O thread; for next(), not for take().
  explicit SmallRequestQueue(FetchContext& context, int slots_per_thread = 0)
      : context_(context), slots_per_thread_(slots_per_thread) {}

  // The I/O threads to wake for new work. Before the first submit().
  void set_transport(Transport* transport) { transport_ = transport; }

  std::shared_ptr<PendingReply> submit(Operation operation, StoreRequest request, std::string what,
                                       std::string uri, std::size_t max_body_bytes,
                                       PendingReply::Done done = {});
  // All that waits and all that comes later fails with kClosed; what is in progress is cancelled.
  void close();

  // The next request that is due; null: none. For a source that shares its threads with others.
  Exchange* take() noexcept;
  Exchange* next(int thread, const Occupancy& occupancy) noexcept override;
  TimePoint next_due() noexcept override;
  void on_retry(std::shared_ptr<SmallRequest> request, TimePoint due) override;
  void on_finished(std::shared_ptr<SmallRequest> request, const Status& status) override;

 private:
  FetchContext& context_;
  const int slots_per_thread_;
  Transport* transport_ = nullptr;  // constant after set_transport()

  Mutex mutex_;
  bool closed_ OSSMC_GUARDED_BY(mutex_) = false;
  std::multimap<TimePoint, std::shared_ptr<SmallRequest>> queued_ OSSMC_GUARDED_BY(mutex_);
  std::unordered_map<SmallRequest*, std::shared_ptr<PendingReply>> pending_
      OSSMC_GUARDED_BY(mutex_);
};

}  // namespace ossmc
