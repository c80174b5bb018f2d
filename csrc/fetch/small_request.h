// SmallRequest: a request whose whole reply is small (HEAD, a page of a listing), or of which the
// head is enough (a GET for the size), from its first attempt to its end.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "fetch/attempt_ledger.h"
#include "fetch/fetch_context.h"
#include "protocol/store_request.h"
#include "transfer/exchange.h"

namespace ossmc {

class SmallRequest;

// Whoever runs small requests. Calls come from the I/O thread that runs the request, without any
// lock held.
class SmallRequestOwner {
 public:
  virtual ~SmallRequestOwner() = default;
  virtual void on_retry(std::shared_ptr<SmallRequest> request, TimePoint due) = 0;
  virtual void on_finished(std::shared_ptr<SmallRequest> request, const Status& status) = 0;
};

// Used by one I/O thread at a time, save cancel(). Keeps itself alive between start and end.
class SmallRequest final : public Exchange, public std::enable_shared_from_this<SmallRequest> {
 public:
  // `what` opens every error text: "HEAD oss://b/k".
  SmallRequest(FetchContext& context, SmallRequestOwner& owner, Operation operation,
               StoreRequest request, std::string what, std::string uri, std::size_t max_body_bytes);

  // As ChunkFetch::prepare.
  Status prepare(bool* ready);
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  // After on_finished with OK.
  const ResponseHead& head() const { return head_; }
  std::string& body() { return body_; }
  // Constant: for any thread.
  const std::string& what() const { return what_; }
  const std::string& uri() const { return uri_; }

  const HttpRequest& request() noexcept override { return signed_.http; }
  bool on_head(const ResponseHead& head) noexcept override;
  bool on_body(const std::byte* data, std::size_t size) noexcept override;
  void on_done(const ExchangeOutcome& outcome) noexcept override;
  bool cancelled() const noexcept override { return cancelled_.load(std::memory_order_relaxed); }
  // A page may take a store its time. Its caller has a limit.
  bool may_be_slow() const noexcept override { return true; }

 private:
  void settle(const AttemptLedger::Verdict& verdict);
  // By the head alone, whatever became of the body.
  bool is_answered() const;
  // Of something else than a store, which answers everything with a page of its own.
  bool is_no_page() const;

  FetchContext& context_;
  SmallRequestOwner& owner_;
  const Operation operation_;
  const StoreRequest store_request_;
  const std::string what_;
  const std::string uri_;
  const std::size_t max_body_bytes_;
  std::atomic<bool> cancelled_{false};  // relaxed: seen at the latest after the next wake

  AttemptLedger ledger_;
  SignedRequest signed_;
  std::shared_ptr<SmallRequest> self_;  // while an exchange is in progress
  ResponseHead head_;
  bool head_seen_ = false;
  bool too_long_ = false;
  std::string body_;
};

}  // namespace ossmc
