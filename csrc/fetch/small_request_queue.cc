#include "fetch/small_request_queue.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace ossmc {

Status PendingReply::wait(Interrupt& interrupt, const Clock& clock, Duration limit) {
  const TimePoint deadline = clock.now() + limit;
  while (done_.load(std::memory_order_acquire) == 0) {
    // Before the interrupt, which may take its time: what came meanwhile is looked at first.
    const TimePoint now = clock.now();
    if (interrupt.pending()) {
      cancel();
      return Status(StatusCode::kInterrupted, "interrupted");
    }
    if (now >= deadline) {
      cancel();
      ErrorDetail detail;
      detail.uri = request_->uri();
      const auto limit_s = std::chrono::duration_cast<std::chrono::seconds>(limit).count();
      return Status(StatusCode::kTransferTimeout,
                    request_->what() + ": no reply within timeout.readSeconds, " +
                        std::to_string(limit_s) + " s",
                    detail);
    }
    futex_wait(done_, 0, std::min<Duration>(kWaitSlice, deadline - now));
  }
  return status_;
}

void PendingReply::cancel() {
  request_->cancel();
  transport_.wake();  // so that the exchange is aborted now, not when something else happens
}

void PendingReply::complete(const Status& status) {
  status_ = status;
  done_.store(1, std::memory_order_release);
  if (on_done_) on_done_(*this, status);
  futex_wake_all(done_);
}

std::shared_ptr<PendingReply> SmallRequestQueue::submit(Operation operation, StoreRequest request,
                                                        std::string what, std::string uri,
                                                        std::size_t max_body_bytes,
                                                        PendingReply::Done done) {
  auto small = std::make_shared<SmallRequest>(context_, *this, operation, std::move(request),
                                              std::move(what), std::move(uri), max_body_bytes);
  auto pending = std::make_shared<PendingReply>(small, *transport_, std::move(done));
  bool refused = false;
  {
    MutexLock lock(mutex_);
    refused = closed_;
    if (!refused) {
      pending_.emplace(small.get(), pending);
      queued_.emplace(TimePoint::min(), small);
    }
  }
  if (refused) {
    pending->complete(Status(StatusCode::kClosed, "the connector is closed"));
  } else {
    transport_->wake();
  }
  return pending;
}

void SmallRequestQueue::close() {
  std::vector<std::shared_ptr<PendingReply>> dropped;
  {
    MutexLock lock(mutex_);
    closed_ = true;
    queued_.clear();
    for (auto& [request, pending] : pending_) {
      request->cancel();
      dropped.push_back(pending);
    }
    pending_.clear();
  }
  for (const auto& pending : dropped)
    pending->complete(Status(StatusCode::kClosed, "the connector was closed"));
  if (transport_ != nullptr) transport_->wake();
}

Exchange* SmallRequestQueue::next(int /*thread*/, const Occupancy& occupancy) noexcept {
  return occupancy.busy < slots_per_thread_ ? take() : nullptr;
}

Exchange* SmallRequestQueue::take() noexcept {
  while (true) {
    std::shared_ptr<SmallRequest> request;
    {
      MutexLock lock(mutex_);
      if (queued_.empty() || queued_.begin()->first > context_.clock.now()) return nullptr;
      request = std::move(queued_.begin()->second);
      queued_.erase(queued_.begin());
    }
    if (request->cancelled()) {
      on_finished(request, Status(StatusCode::kClosed, "cancelled"));
      continue;
    }
    bool ready = false;
    const bool settled = context_.builder.credentials_settled();
    const Status status = settled ? request->prepare(&ready) : Status::ok();
    if (!status.is_ok()) {
      on_finished(request, status);
    } else if (!ready) {
      on_retry(request, context_.clock.now() + kCredentialsPoll);
      if (!settled) return nullptr;
    } else {
      return request.get();  // keeps itself alive until on_done
    }
  }
}

TimePoint SmallRequestQueue::next_due() noexcept {
  MutexLock lock(mutex_);
  return queued_.empty() ? TimePoint::max() : queued_.begin()->first;
}

void SmallRequestQueue::on_retry(std::shared_ptr<SmallRequest> request, TimePoint due) {
  MutexLock lock(mutex_);
  if (!closed_) queued_.emplace(due, std::move(request));
}

void SmallRequestQueue::on_finished(std::shared_ptr<SmallRequest> request, const Status& status) {
  std::shared_ptr<PendingReply> pending;
  {
    MutexLock lock(mutex_);
    const auto found = pending_.find(request.get());
    if (found == pending_.end()) return;
    pending = std::move(found->second);
    pending_.erase(found);
  }
  pending->complete(status);
}

}  // namespace ossmc
